"""The seal of a check's result: the site found just this, for this review of this package under this policy."""

from __future__ import annotations

from tidemill.base.canonical import canonical_json, digest_json
from tidemill.base.errors import Forbidden
from tidemill.base.signing import PublicKey, SigningKey, is_sealed, seal
from tidemill.gate.model import CheckResult, CheckState, Review, ReviewCheck


def seal_check(key: SigningKey, review: Review, name: str, result: CheckResult) -> str:
    """The seal of a result that is being kept."""
    return seal(key, _content(review, name, result))


def is_found(key: PublicKey, review: Review, check: ReviewCheck) -> bool:
    """Whether a check is still pending, or its result is what the site sealed."""
    if check.state is CheckState.PENDING:
        return True
    result = CheckResult(state=check.state, summary=check.summary, evidence=check.evidence)
    return is_sealed(key, _content(review, check.name, result), check.seal)


def prove_checks(key: PublicKey, review: Review) -> None:
    """Raise `Forbidden` unless each result of a review is what the site found."""
    for check in review.checks:
        if not is_found(key, review, check):
            raise Forbidden(
                f"the check {check.name} is not what the site found",
                place=f"review {review.id}",
                remedy="somebody changed the database: restore it from a backup, or open a new review",
            )


def _content(review: Review, name: str, result: CheckResult) -> bytes:
    return canonical_json(
        {
            "schema_version": 1,
            "sealed": "check result",
            "namespace_id": review.namespace_id,
            "review_id": review.id,
            "package_digest": review.package_digest,
            "policy_digest": review.policy_digest,
            "check": name,
            "state": result.state.value,
            "summary": result.summary,
            "evidence_digest": digest_json(result.evidence),
        }
    )
