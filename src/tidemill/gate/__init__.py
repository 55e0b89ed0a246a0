"""Reviews, checks and signed approvals; the only place that moves what is live, forward and back."""

from tidemill.gate.model import (
    Approval,
    ApprovedVersion,
    AuditEntry,
    CheckResult,
    CheckState,
    Review,
    ReviewCheck,
    ReviewRequest,
    ReviewState,
)
from tidemill.gate.policy import Hygiene, Policy, SmokeLimits, Threshold, parse_policy

__all__ = [
    "Approval",
    "ApprovedVersion",
    "AuditEntry",
    "CheckResult",
    "CheckState",
    "Hygiene",
    "Policy",
    "Review",
    "ReviewCheck",
    "ReviewRequest",
    "ReviewState",
    "SmokeLimits",
    "Threshold",
    "parse_policy",
]
