"""What opening a review of either kind has in common: names, the policy that holds, the rows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.errors import Conflict, InvalidInput
from tidemill.base.signing import SigningKey
from tidemill.base.site import Site
from tidemill.gate import rows, store
from tidemill.gate.bound import binding_policy
from tidemill.gate.checks import required_checks
from tidemill.gate.model import (
    CheckState,
    Closing,
    Happening,
    PipelineReviewRequest,
    PipelineVersion,
    Review,
    ReviewCheck,
    ReviewRequest,
    ReviewState,
    Subject,
    check_review_transition,
)
from tidemill.gate.policy import BoundPolicy, Policy, check_policy, parse_policy
from tidemill.gate.record import record

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def check_names(environment: str, service: str) -> None:
    """Raise `InvalidInput` for what is no name."""
    for field, name in (("environment", environment), ("service", service)):
        if not _LABEL.fullmatch(name):
            raise InvalidInput(
                f"{name[:80]!r} is no name of a {field}",
                place=field,
                remedy="use up to 63 of: lower-case letters, digits, inner hyphens",
            )


def policy_for(site: Site, actor: Actor, policy: Policy, *, environment: str, service: str) -> BoundPolicy:
    """The policy that was applied for the service there, else the one that the request brought, checked."""
    asked = parse_policy(policy.to_json())
    check_policy(asked, environment=environment)
    with site.database.read() as connection:
        bound = binding_policy(connection, actor.namespace_id, environment, service)
    return BoundPolicy(policy=asked) if bound is None else bound


def pending_checks(policy: Policy, subject: Subject) -> tuple[ReviewCheck, ...]:
    """The checks that a policy asks for, not run yet."""
    return tuple(
        ReviewCheck(name=name, state=CheckState.PENDING, summary="", evidence={}, finished_at=None)
        for name in required_checks(policy, subject)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What asks to pass: a model version with the pipeline version behind it, or that alone."""

    subject: Subject
    model_version_id: str | None
    version_label: str
    package_digest: str
    pipeline: PipelineVersion | None


def new_review(
    site: Site, actor: Actor, request: ReviewRequest | PipelineReviewRequest, bound: BoundPolicy, asked: Asked
) -> Review:
    """An open review of what asks, under the policy that binds, its checks still to run."""
    return Review(
        id=site.ids.new(),
        namespace_id=actor.namespace_id,
        subject=asked.subject,
        model_version_id=asked.model_version_id,
        version_label=asked.version_label,
        package_digest=asked.package_digest,
        pipeline=asked.pipeline,
        environment=request.environment,
        service=request.service,
        state=ReviewState.OPEN,
        policy=bound.policy,
        policy_digest=bound.policy.digest,
        policy_source=bound.source,
        checks=pending_checks(bound.policy, asked.subject),
        approvals=(),
        reason=None,
        opened_by=actor.person,
        opened_at=site.clock.now(),
        closed_by=None,
        closed_at=None,
        generation=1,
    )


def keep_open(connection: Connection, site: Site, key: SigningKey, actor: Actor, review: Review) -> None:
    """Write an open review, which takes the place of another one of its kind, in the caller's transaction."""
    _supersede_others(connection, site, key, actor, review)
    store.insert_review(connection, review)
    data = {
        "model_version": review.version_label,
        "environment": review.environment,
        "service": review.service,
        "package_digest": review.package_digest,
        "policy_digest": review.policy_digest,
        "pipeline_digest": None if review.pipeline is None else review.pipeline.digest,
    }
    record(connection, site, key, actor, Happening("review.opened", review.id, data))


def _supersede_others(connection: Connection, site: Site, key: SigningKey, actor: Actor, review: Review) -> None:
    wanted = rows.ReviewFilter(
        states=(ReviewState.OPEN,), environment=review.environment, service=review.service, subject=review.subject
    )
    for other in rows.reviews_of(connection, review.namespace_id, wanted):
        reason = f"review {review.id} of {review.version_label} took its place"
        check_review_transition(other.state, ReviewState.SUPERSEDED)
        closing = Closing(state=ReviewState.SUPERSEDED, by=actor.person, at=review.opened_at, reason=reason)
        if not store.close_review(connection, other, closing):
            raise Conflict("another review changed meanwhile", remedy="open the review again")
        record(connection, site, key, actor, Happening("review.superseded", other.id, {"by_review": review.id}))
