"""Where a model version comes from and who let it through."""

from __future__ import annotations

from typing import Any

from tidemill.access import Actor
from tidemill.base.errors import Forbidden
from tidemill.base.signing import public_key
from tidemill.base.site import Site
from tidemill.gate import rows
from tidemill.gate.model import Review, ReviewState
from tidemill.gate.statements import in_words
from tidemill.gate.verify import prove_rows
from tidemill.registry import ModelVersion, get_version, trace_version


def trace_decision(site: Site, actor: Actor, reference: str) -> dict[str, Any]:
    """The origin of a version as the registry tells it, and its reviews with approvers, newest first.

    `problem` of a review says what of it is not what was signed; None when all of it is. What a version claims is part
    of what was signed, so that a changed metric or digest is a problem of its reviews.
    """
    version = get_version(site, actor, reference)
    with site.database.read() as connection:
        wanted = rows.ReviewFilter(model_version_id=version.id)
        reviews = [
            (review, rows.decision_of(connection, actor.namespace_id, review.id))
            for review in rows.reviews_of(connection, actor.namespace_id, wanted, limit=100)
        ]
    told = [{**_review(review), "problem": problem_of(site, review, version, decision)} for review, decision in reviews]
    return {**trace_version(site, actor, version.id), "reviews": told}


def problem_of(site: Site, review: Review, version: ModelVersion, decision: object) -> str | None:
    """What of a review's rows is not what was signed, in words; None when they are."""
    try:
        with site.database.read() as connection:
            prove_rows(connection, public_key(site.home), review, version, decision)
    except Forbidden as problem:
        return f"{problem.place}: {problem.message}"
    return None


def _approvers(review: Review) -> list[str]:
    """Who let it through: who approved the version, or else the pipeline version and the policy by which it passed."""
    if review.automatic is not None and review.automatic.passed:
        return list(review.automatic.approved_by)
    return [approval.approver for approval in review.approvals] if review.state is ReviewState.APPROVED else []


def _review(review: Review) -> dict[str, Any]:
    return {
        "id": review.id,
        "environment": review.environment,
        "service": review.service,
        "state": review.state.value,
        "opened_by": review.opened_by,
        "closed_at": None if review.closed_at is None else review.closed_at.isoformat(),
        "policy_digest": review.policy_digest,
        "pipeline": None
        if review.pipeline is None
        else {
            "project": review.pipeline.project,
            "digest": review.pipeline.digest,
            "spec_digest": review.pipeline.spec_digest,
        },
        "automatic": None if review.automatic is None else review.automatic.to_json(),
        "automatic_in_words": in_words(review),
        "approvers": _approvers(review),
        "approvals": [
            {"approver": approval.approver, "at": approval.created_at.isoformat()} for approval in review.approvals
        ],
    }
