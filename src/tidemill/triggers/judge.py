"""The verb judge: what a production run trained becomes a model version, and asks for its review."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.gate import (
    CheckState,
    Review,
    ReviewRequest,
    ReviewState,
    get_review,
    open_review,
    parse_policy,
    run_checks,
)
from tidemill.gate.find import list_reviews
from tidemill.registry import ModelVersion, RegisterRequest, get_version, list_versions, register_version
from tidemill.triggers.model import Firing, FiringState
from tidemill.triggers.production import driver_of

LOOKED_AT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How a firing ends by its review; `state` is None while a check could not run yet."""

    state: FiringState | None
    reason: str | None = None
    remedy: str | None = None


def registered(site: Site, firing: Firing) -> ModelVersion:
    """The model version of the firing's run, made where there is none yet. Takes seconds: a fresh process packages it.

    Raises what `register_version` raises.
    """
    actor, model = driver_of(firing), firing.action.model
    assert model is not None  # a spec without one is refused
    if firing.model_version_id is not None:
        return get_version(site, actor, firing.model_version_id)
    try:
        known = list_versions(site, actor, model.name, limit=LOOKED_AT)
    except NotFound:
        known = []
    for version in known:
        if version.run_id == firing.run_id:
            return version
    request = RegisterRequest(
        run_id=firing.run_id or "",
        model=model.name,
        model_output=model.output,
        sample_output=model.sample,
        profile_output=model.profile or None,
    )
    return register_version(site, actor, request)


def reviewed(site: Site, firing: Firing, version: ModelVersion) -> Review:
    """The review of that version for the firing's service, opened where there is none, with its checks run.

    Takes seconds to minutes. Raises what `open_review` raises.
    """
    actor, action = driver_of(firing), firing.action
    review_id = firing.review_id
    if review_id is None:
        for review in list_reviews(site, actor, model_version_id=version.id):
            if (review.environment, review.service) == (action.environment, action.service):
                review_id = review.id
                break
    if review_id is None:
        policy: dict[str, Any] = dict(action.policy)
        request = ReviewRequest(
            model_version_id=version.id,
            environment=action.environment,
            service=action.service,
            policy=parse_policy(policy, place="gate"),
        )
        return open_review(site, actor, request)
    run_checks(site, firing.namespace_id, review_id)
    return get_review(site, actor, review_id)


def judgement(review: Review) -> Judgement:
    """What a review says of its candidate so far."""
    show = f"tidemill review show {review.id[-12:]}"
    if review.state is ReviewState.APPROVED:
        return Judgement(state=FiringState.PASSED)
    if review.state is not ReviewState.OPEN:
        told = f"the review is {review.state}: {review.reason}"
        return Judgement(state=FiringState.STOPPED, reason=told, remedy=show)
    failed = [check for check in review.checks if check.state is CheckState.FAILED]
    if failed:
        told = "; ".join(f"{check.name}: {check.summary}" for check in failed)
        return Judgement(state=FiringState.STOPPED, reason=f"stopped by the check {told}"[:2000], remedy=show)
    waiting = [check for check in review.checks if check.state is CheckState.PENDING]
    if waiting:
        told = "; ".join(f"{check.name}: {check.summary}" for check in waiting)
        return Judgement(state=None, reason=f"the check {told}"[:2000])
    reason = f"all checks passed; {len(review.approvals)} of {review.policy.approvals} approved"
    remedy = f"as an approver: tidemill review approve {review.id[-12:]}"
    return Judgement(state=FiringState.AWAITING_APPROVAL, reason=reason, remedy=remedy)
