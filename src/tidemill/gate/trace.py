"""Where a model version comes from and who let it through."""

from __future__ import annotations

from typing import Any

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.gate import store
from tidemill.gate.model import Review
from tidemill.registry import get_version, trace_version


def trace_decision(site: Site, actor: Actor, reference: str) -> dict[str, Any]:
    """The origin of a version as the registry tells it, and its reviews with approvers, newest first."""
    version = get_version(site, actor, reference)
    with site.database.read() as connection:
        wanted = store.ReviewFilter(model_version_id=version.id)
        reviews = store.reviews_of(connection, actor.namespace_id, wanted, limit=100)
    return {**trace_version(site, actor, version.id), "reviews": [_review(review) for review in reviews]}


def _review(review: Review) -> dict[str, Any]:
    return {
        "id": review.id,
        "environment": review.environment,
        "service": review.service,
        "state": review.state.value,
        "opened_by": review.opened_by,
        "closed_at": None if review.closed_at is None else review.closed_at.isoformat(),
        "policy_digest": review.policy_digest,
        "approvals": [
            {"approver": approval.approver, "at": approval.created_at.isoformat()} for approval in review.approvals
        ],
    }
