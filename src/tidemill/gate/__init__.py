"""Reviews, checks and signed approvals; the only place that moves what is live, forward and back."""

from tidemill.gate.approve import approve
from tidemill.gate.approved_pipeline import approved_pipeline
from tidemill.gate.audit import verify_audit
from tidemill.gate.evidence import evidence_pack
from tidemill.gate.find import get_review, list_reviews
from tidemill.gate.model import (
    ApprovedPipeline,
    ApprovedVersion,
    CheckState,
    PipelineReviewRequest,
    Review,
    ReviewRequest,
    ReviewState,
)
from tidemill.gate.open_pipeline_review import open_pipeline_review
from tidemill.gate.open_review import open_review
from tidemill.gate.policy import Policy, parse_policy
from tidemill.gate.reject import reject, withdraw
from tidemill.gate.rollback import rollback
from tidemill.gate.run_checks import run_checks, run_pending_checks
from tidemill.gate.trace import trace_decision
from tidemill.gate.verify import verify_approval, verify_live

# fmt: off
__all__ = [
    "ApprovedPipeline", "ApprovedVersion", "CheckState", "PipelineReviewRequest", "Policy", "Review",
    "ReviewRequest", "ReviewState", "approve", "approved_pipeline", "evidence_pack", "get_review", "list_reviews",
    "open_pipeline_review", "open_review", "parse_policy", "reject", "rollback", "run_checks", "run_pending_checks",
    "trace_decision", "verify_approval", "verify_audit", "verify_live", "withdraw",
]
# fmt: on
