"""What is signed: the statements of an approval, a decision and a pointer move, and the digests that they bind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidemill.base.canonical import digest_json
from tidemill.gate.model import Review, ReviewCheck
from tidemill.gate.signing import statement
from tidemill.registry import ModelVersion, MoveKind


def checks_digest(checks: tuple[ReviewCheck, ...]) -> str:
    """The digest of all results with their evidence."""
    return digest_json(
        [
            {"name": check.name, "state": check.state.value, "summary": check.summary, "evidence": check.evidence}
            for check in sorted(checks, key=lambda check: check.name)
        ]
    )


def version_digest(version: ModelVersion) -> str:
    """The digest of what a version claims about itself, so that none of it can be changed after an approval."""
    return digest_json(
        {
            "id": version.id,
            "namespace_id": version.namespace_id,
            "label": version.label,
            "package_digest": version.package_digest,
            "run_id": version.run_id,
            "lock_digest": version.lock_digest,
            "spec_digest": version.spec_digest,
            "signature": version.signature,
            "metrics": version.metrics,
            "parameters": version.parameters,
            "data_versions": version.data_versions,
            "code_commit": version.code_commit,
            "author": version.author,
            "run_author": version.run_author,
        }
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
    """The review passed with these approvals."""
    return statement(
        subject=review.version_label,
        digest=review.package_digest,
        kind="decision",
        predicate={**_bound(review, version), "approvers": sorted(approvers), "decided_at": at.isoformat()},
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
