"""The verb open_review: a model version asks to go live."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, InvalidInput
from tidemill.base.repeats import subject_done
from tidemill.base.site import Site
from tidemill.gate import store
from tidemill.gate.bound import binding_policy
from tidemill.gate.checks import Check, find_checks, required_checks
from tidemill.gate.find import get_review
from tidemill.gate.model import (
    CheckState,
    Closing,
    Happening,
    Review,
    ReviewCheck,
    ReviewRequest,
    ReviewState,
    check_review_transition,
)
from tidemill.gate.policy import BoundPolicy, check_policy, parse_policy
from tidemill.gate.record import record
from tidemill.gate.run_checks import run_checks
from tidemill.gate.signing import SigningKey, signing_key
from tidemill.registry import ModelVersion, VersionState, get_version
from tidemill.registry.pointer import live_pointer_in

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def open_review(
    site: Site, actor: Actor, request: ReviewRequest, *, checks: Mapping[str, Check] | None = None
) -> Review:
    """Ask for a version to pass the gate, and run the checks (seconds: the smoke test starts a fresh process).

    In a gated environment the policy is the one that was applied for the service, if any, whatever the request brings.
    An open review of the same service and environment is superseded. Raises `InvalidInput` for a policy or a name
    that cannot be, `NotFound` for an unknown version, `Conflict` when the version is retired or live there already.
    `checks` takes the place of the built-in checks in tests; every check of the policy must be among them.
    """
    actor.demand(Permission.WRITE)
    _check_names(request)
    bound = _policy(site, actor, request)
    usable = find_checks(bound.policy) if checks is None else checks
    review_id = subject_done("review.opened") or _open(site, actor, request, bound)
    run_checks(site, actor.namespace_id, review_id, checks=usable)
    return get_review(site, actor, review_id)


def _policy(site: Site, actor: Actor, request: ReviewRequest) -> BoundPolicy:
    asked = parse_policy(request.policy.to_json())
    check_policy(asked, environment=request.environment)
    with site.database.read() as connection:
        bound = binding_policy(connection, actor.namespace_id, request.environment, request.service)
    return BoundPolicy(policy=asked) if bound is None else bound


def _open(site: Site, actor: Actor, request: ReviewRequest, bound: BoundPolicy) -> str:
    version = get_version(site, actor, request.model_version_id)
    if version.state is not VersionState.READY:
        raise Conflict(f"{version.label} is {version.state}", remedy="ask for a version that is ready")
    review = _new_review(site, actor, request, bound, version)
    key = signing_key(site.home)
    with site.database.write() as connection:
        _refuse_live(connection, review)
        _supersede_others(connection, site, key, actor, review)
        store.insert_review(connection, review)
        data = {
            "model_version": version.label,
            "environment": review.environment,
            "service": review.service,
            "package_digest": review.package_digest,
            "policy_digest": review.policy_digest,
        }
        record(connection, site, key, actor, Happening("review.opened", review.id, data))
    return review.id


def _new_review(site: Site, actor: Actor, request: ReviewRequest, bound: BoundPolicy, version: ModelVersion) -> Review:
    pending = (
        ReviewCheck(name=name, state=CheckState.PENDING, summary="", evidence={}, finished_at=None)
        for name in required_checks(bound.policy)
    )
    return Review(
        id=site.ids.new(),
        namespace_id=actor.namespace_id,
        model_version_id=version.id,
        version_label=version.label,
        package_digest=version.package_digest,
        environment=request.environment,
        service=request.service,
        state=ReviewState.OPEN,
        policy=bound.policy,
        policy_digest=bound.policy.digest,
        policy_source=bound.source,
        checks=tuple(pending),
        approvals=(),
        reason=None,
        opened_by=actor.person,
        opened_at=site.clock.now(),
        closed_by=None,
        closed_at=None,
        generation=1,
    )


def _check_names(request: ReviewRequest) -> None:
    for field, name in (("environment", request.environment), ("service", request.service)):
        if not _LABEL.fullmatch(name):
            raise InvalidInput(
                f"{name[:80]!r} is no name of a {field}",
                place=field,
                remedy="use up to 63 of: lower-case letters, digits, inner hyphens",
            )


def _refuse_live(connection: Connection, review: Review) -> None:
    pointer = live_pointer_in(connection, review.namespace_id, review.environment, review.service)
    if pointer is not None and pointer.model_version_id == review.model_version_id:
        raise Conflict(f"{review.version_label} is live already as {review.service} in {review.environment}")


def _supersede_others(connection: Connection, site: Site, key: SigningKey, actor: Actor, review: Review) -> None:
    wanted = store.ReviewFilter(states=(ReviewState.OPEN,), environment=review.environment, service=review.service)
    for other in store.reviews_of(connection, review.namespace_id, wanted):
        reason = f"review {review.id} of {review.version_label} took its place"
        check_review_transition(other.state, ReviewState.SUPERSEDED)
        closing = Closing(state=ReviewState.SUPERSEDED, by=actor.person, at=review.opened_at, reason=reason)
        if not store.close_review(connection, other, closing):
            raise Conflict("another review changed meanwhile", remedy="open the review again")
        record(connection, site, key, actor, Happening("review.superseded", other.id, {"by_review": review.id}))
