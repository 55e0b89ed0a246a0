"""The verb leave_feedback: somebody says what they think of a prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from unicodedata import category

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import InvalidInput, NotFound, TooManyRequests
from tidemill.base.events import append_event
from tidemill.base.repeats import subject_done
from tidemill.base.site import Site
from tidemill.monitoring.feedback import store
from tidemill.monitoring.feedback.model import (
    HIGHEST,
    LONGEST_COMMENT,
    LONGEST_VALUE,
    LOWEST,
    Feedback,
    FeedbackRequest,
)
from tidemill.monitoring.rules import rules_of
from tidemill.monitoring.truth import TruthItem
from tidemill.monitoring.truth.deliver import Match, found_by, search_of
from tidemill.monitoring.truth.match import match_apart
from tidemill.monitoring.truth.take import take_feedback_value
from tidemill.serving import Service, get_service

MOST_A_MINUTE = 30
_ALLOWED_CONTROLS = "\n\t"
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def leave_feedback(
    site: Site, actor: Actor, name: str, request: FeedbackRequest, *, match: Match = match_apart
) -> Feedback:
    """Keep what somebody says of a prediction, in place of what they said of it before.

    Whoever may see a service may say what they think. A value that it should have been is no ground truth, unless the
    rules of the service take it for that and none was delivered. Raises `InvalidInput` with the field, `NotFound` for a
    prediction that the service did not make, `TooManyRequests` above `MOST_A_MINUTE`.
    """
    actor.demand(Permission.READ)
    service = get_service(site, actor, name)
    known = subject_done("feedback.left")
    if known is not None:
        return _left(site, actor, known)
    checked = _checked(request)
    with site.database.read() as connection:
        since = site.clock.now() - timedelta(minutes=1)
        said = store.count_since(connection, actor.namespace_id, service.id, actor.person, since)
    if said >= MOST_A_MINUTE:
        raise TooManyRequests(f"more than {MOST_A_MINUTE} a minute", place="feedback", remedy="wait a minute")
    _demand_prediction(site, service, checked, match)
    with site.database.write() as connection:
        return _keep(connection, site, actor, service, checked)


def _checked(request: FeedbackRequest) -> FeedbackRequest:
    comment = request.comment.strip().replace("\r\n", "\n")
    if len(comment) > LONGEST_COMMENT:
        raise InvalidInput(f"has more than {LONGEST_COMMENT} characters", place="comment", remedy="say it in fewer")
    if not is_harmless(comment):
        raise InvalidInput("has characters that cannot be printed", place="comment", remedy="leave them out")
    if request.rating is not None and not LOWEST <= request.rating <= HIGHEST:
        raise InvalidInput(f"is not from {LOWEST} to {HIGHEST}", place="rating")
    value = request.value
    if isinstance(value, str) and not (0 < len(value) <= LONGEST_VALUE and is_harmless(value)):
        raise InvalidInput(f"is no text of 1 to {LONGEST_VALUE} characters", place="value")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput("is no finite number", place="value")
    if request.rating is None and not comment and value is None:
        raise InvalidInput("says nothing", place="feedback", remedy="give a rating, a comment or a value")
    return replace(request, prediction_id=request.prediction_id.lower(), comment=comment)


def is_harmless(text: str) -> bool:
    """True for a text of any alphabet without what steers a terminal or turns the order of what is read."""
    return all(
        each in _ALLOWED_CONTROLS or (category(each) not in ("Cc", "Cs") and each not in _TURNING) for each in text
    )


def _demand_prediction(site: Site, service: Service, request: FeedbackRequest, match: Match) -> None:
    item = TruthItem(value=0, prediction_id=request.prediction_id[:64], row=request.row)
    items: Sequence[TruthItem] = [item]
    if not found_by(site, search_of(site, service), items, match)[0]:
        raise NotFound(
            f"{service.name} made no prediction {request.prediction_id[:64]}",
            place="prediction_id",
            remedy="take it from x-request-id of the answer",
        )


def _keep(connection: Connection, site: Site, actor: Actor, service: Service, request: FeedbackRequest) -> Feedback:
    feedback = Feedback(
        **{name: getattr(request, name) for name in FeedbackRequest.__slots__},
        id=site.ids.new(),
        created_by=actor.person,
        created_at=site.clock.now(),
    )
    store.put_feedback(connection, actor.namespace_id, service.id, feedback)
    rules = rules_of(connection, actor.namespace_id, service.name)
    if rules.feedback_is_truth and request.value is not None:
        place = request.prediction_id, request.row
        take_feedback_value(connection, site, actor, service, place, request.value)
    append_event(
        connection,
        site.clock,
        namespace_id=actor.namespace_id,
        kind="feedback.left",
        subject_id=feedback.id,
        data={"service": service.name, "prediction_id": feedback.prediction_id, "rating": feedback.rating},
        created_by=actor.person,
    )
    return feedback


def _left(site: Site, actor: Actor, feedback_id: str) -> Feedback:
    with site.database.read() as connection:
        found = store.feedback_by_id(connection, actor.namespace_id, feedback_id)
    if found is None:
        raise NotFound(f"there is no feedback {feedback_id[:64]}", remedy="it was said anew meanwhile")
    return found
