"""The verbs reject and withdraw: a review ends without anything going live."""

from __future__ import annotations

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, Forbidden, InvalidInput
from tidemill.base.repeats import was_done
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.gate import store
from tidemill.gate.find import get_review, review_in
from tidemill.gate.model import Closing, Happening, Review, ReviewState, check_review_transition
from tidemill.gate.people import person_key
from tidemill.gate.record import record, record_refusal

MAX_REASON_CHARACTERS = 4_000


def reject(site: Site, actor: Actor, review_id: str, reason: str) -> Review:
    """Refuse an open review with a reason; `Forbidden` without the right to approve, `Conflict` when not open."""
    text = reason.strip()
    if not text or len(text) > MAX_REASON_CHARACTERS:
        raise InvalidInput(f"a rejection needs a reason of up to {MAX_REASON_CHARACTERS} characters", place="reason")
    try:
        actor.demand(Permission.APPROVE)
        return _close(site, actor, review_id, ReviewState.REJECTED, text)
    except (Forbidden, Conflict) as problem:
        record_refusal(site, actor, "rejection.refused", review_id, problem)
        raise


def withdraw(site: Site, actor: Actor, review_id: str) -> Review:
    """Take back an open review; for whoever opened it and for those who administer the namespace."""
    actor.demand(Permission.WRITE)
    review = get_review(site, actor, review_id)
    if person_key(actor.person) != person_key(review.opened_by) and not actor.may(Permission.ADMINISTER):
        raise Forbidden(
            f"{review.opened_by} opened this review, {actor.person} may not withdraw it",
            remedy=f"ask {review.opened_by}, or an owner",
        )
    return _close(site, actor, review_id, ReviewState.WITHDRAWN, None)


def _close(site: Site, actor: Actor, review_id: str, state: ReviewState, reason: str | None) -> Review:
    if was_done(f"review.{state.value}", review_id):
        return get_review(site, actor, review_id)
    key = signing_key(site.home)
    with site.database.write() as connection:
        review = review_in(connection, actor.namespace_id, review_id, lock=True)
        check_review_transition(review.state, state)
        closing = Closing(state=state, by=actor.person, at=site.clock.now(), reason=reason)
        if not store.close_review(connection, review, closing):
            raise Conflict("the review changed meanwhile", remedy="look at it again: tidemill review show")
        data = {"model_version": review.version_label, "reason": reason}
        record(connection, site, key, actor, Happening(f"review.{state.value}", review.id, data))
    return get_review(site, actor, review_id)
