"""What is signed: the statements of an approval, a decision and a pointer move, and the digests that they bind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidemill.base.canonical import digest_json
from tidemill.base.signing import statement
from tidemill.gate.model import Review, ReviewCheck
from tidemill.registry import ModelVersion, MoveKind
from tidemill.registry.seal import version_digest


def checks_digest(checks: tuple[ReviewCheck, ...]) -> str:
    """The digest of all results with their evidence."""
    return digest_json(
        [
            {"name": check.name, "state": check.state.value, "summary": check.summary, "evidence": check.evidence}
            for check in sorted(checks, key=lambda check: check.name)
        ]
    )


def approval_statement(review: Review, version: ModelVersion | None, approver: str, at: datetime) -> dict[str, Any]:
    """One person approves this package or pipeline version, these check results and this policy, for this review.

    `version` is None for a review of a pipeline version alone.
    """
    return statement(
        subject=review.version_label,
        digest=review.package_digest,
        kind="approval",
        predicate={**_bound(review, version), "approver": approver, "approved_at": at.isoformat()},
    )


def decision_statement(
    review: Review, version: ModelVersion | None, approvers: list[str], at: datetime
) -> dict[str, Any]:
    """The review passed with these approvals, or, where `automatic` says so, without any."""
    return statement(
        subject=review.version_label,
        digest=review.package_digest,
        kind="decision",
        predicate={
            **_bound(review, version),
            "approvers": sorted(approvers),
            "automatic": None if review.automatic is None else review.automatic.to_json(),
            "decided_at": at.isoformat(),
        },
    )


def move_statement(
    version_id: str,
    package_digest: str,
    *,
    where: tuple[str, str, str],
    generation: int,
    kind: MoveKind,
    review_id: str,
) -> dict[str, Any]:
    """The live pointer of `where` (namespace, environment, service) stands at this version from this generation on."""
    namespace_id, environment, service = where
    return statement(
        subject=version_id,
        digest=package_digest,
        kind="pointer-move",
        predicate={
            "namespace_id": namespace_id,
            "environment": environment,
            "service": service,
            "generation": generation,
            "move": kind.value,
            "review_id": review_id,
        },
    )


def in_words(review: Review) -> str | None:
    """How a review passed without a person (`automatic, policy of ..., pipeline approved by ...`), or why not."""
    said = review.automatic
    if said is None:
        return None
    if not said.passed:
        return "left to people: " + "; ".join(said.reasons)
    policy = f"policy of {review.policy_source}" if review.policy_source else f"policy {review.policy_digest}"
    people = ", ".join(said.approved_by) or "nobody, whom the policy asks for"
    return f"automatic, {policy}, pipeline approved by {people} in review {said.pipeline_review_id}"


def _bound(review: Review, version: ModelVersion | None) -> dict[str, Any]:
    pipeline = review.pipeline
    return {
        "about": review.subject.value,
        "review_id": review.id,
        "namespace_id": review.namespace_id,
        "environment": review.environment,
        "service": review.service,
        "model_version_id": None if version is None else version.id,
        "version_digest": None if version is None else version_digest(version),
        "project": None if pipeline is None else pipeline.project,
        "spec_digest": None if pipeline is None else pipeline.spec_digest,
        "pipeline_digest": None if pipeline is None else pipeline.digest,
        "checks_digest": checks_digest(review.checks),
        "policy_digest": review.policy_digest,
    }
