"""The verb tell_decision: who let a review pass, proven now from what was signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, TidemillError
from tidemill.base.signing import public_key
from tidemill.base.site import Site
from tidemill.gate import rows
from tidemill.gate.find import review_in
from tidemill.gate.model import Review, ReviewState
from tidemill.gate.verify import pipeline_approved_by, prove_decision, reviewed_version


@dataclass(frozen=True, slots=True, kw_only=True)
class BehindIt:
    """The pipeline version by which a review passed without a person, and who approved it and the policy."""

    project: str
    run_id: str
    review_id: str
    version_label: str
    approved_by: tuple[str, ...]
    approved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldDecision:
    """How a review passed: by `people`, or without one of them and by the pipeline version `behind` it.

    `problem` says what of it is not what was signed; then nobody is named.
    """

    review_id: str
    is_automatic: bool
    people: tuple[str, ...]
    at: datetime | None
    policy_digest: str
    behind: BehindIt | None
    problem: str | None


def tell_decision(site: Site, actor: Actor, review_id: str) -> ToldDecision:
    """Who decided an approved review.

    Raises `NotFound`, and `Conflict` while it is not approved.
    """
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        review = review_in(connection, actor.namespace_id, review_id)
        if review.state is not ReviewState.APPROVED:
            raise Conflict(f"this review is {review.state}, nobody has let it pass")
        try:
            return _proven(connection, site, review)
        except TidemillError as problem:
            return _told(review, (), None, f"{problem.place}: {problem.message}" if problem.place else problem.message)


def _proven(connection: Connection, site: Site, review: Review) -> ToldDecision:
    key = public_key(site.home)
    version = reviewed_version(connection, review)
    decision = rows.decision_of(connection, review.namespace_id, review.id)
    decided = prove_decision(connection, key, review, version, decision)
    if decided.pipeline_review_id is None:
        return _told(review, decided.approvers, None, None)
    found = pipeline_approved_by(connection, key, review.namespace_id, decided.pipeline_review_id)
    behind = BehindIt(
        project=found.project,
        run_id=found.run_id,
        review_id=found.review_id,
        version_label=review_in(connection, review.namespace_id, found.review_id).version_label,
        approved_by=found.approved_by,
        approved_at=found.approved_at,
    )
    return _told(review, (), behind, None)


def _told(review: Review, people: tuple[str, ...], behind: BehindIt | None, problem: str | None) -> ToldDecision:
    return ToldDecision(
        review_id=review.id,
        is_automatic=behind is not None,
        people=people,
        at=review.closed_at,
        policy_digest=review.policy_digest,
        behind=behind,
        problem=problem,
    )
