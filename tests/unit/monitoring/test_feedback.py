"""Feedback: kept with its prediction, bounded, harmless, and no truth unless the rules say so."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.conftest import FixedClock, People, people_of
from tests.unit.monitoring.test_windows import SOURCE, advance, set_rules
from tests.unit.monitoring.traffic import START, Stage, open_stage

from tidemill.access import local_token
from tidemill.base.errors import Forbidden, InvalidInput, NotFound, TooManyRequests
from tidemill.base.site import Site
from tidemill.monitoring.feedback import Feedback, FeedbackRequest, leave_feedback, store
from tidemill.monitoring.feedback.leave import MOST_A_MINUTE
from tidemill.monitoring.rules import Rules
from tidemill.monitoring.truth import TruthItem
from tidemill.monitoring.truth.deliver import deliver_truth
from tidemill.monitoring.truth.match import match
from tidemill.platform import Platform
from tidemill.server.app import create_app


@pytest.fixture
def people(still_site: Site) -> People:
    return people_of(still_site)


@pytest.fixture
def stage(still_site: Site, people: People) -> Stage:
    return open_stage(still_site, people)


def leave(stage: Stage, prediction_id: str, **said: Any) -> Feedback:
    request = FeedbackRequest(prediction_id=prediction_id, **said)
    return leave_feedback(stage.site, stage.people.viewer, "fuel", request, match=match)


def kept(stage: Stage) -> list[Feedback]:
    with stage.site.database.read() as connection:
        return store.feedback_of(connection, stage.service.namespace_id, stage.service.id, before=None, limit=100)


def test_what_a_viewer_says_is_kept_and_said_again_it_is_meant_instead(stage: Stage) -> None:
    one, two = stage.send(stage.cars(2), START)
    leave(stage, one, rating=2, comment="  zu niedrig, слишком мало, कम ‍\r\n👩‍🔧 ", value=31.5)
    leave(stage, two, rating=5)
    leave(stage, one, rating=4)
    assert [(each.prediction_id, each.rating, each.comment, each.value) for each in kept(stage)] == [
        (one, 4, "", None),
        (two, 5, "", None),
    ]
    with stage.site.database.read() as connection:
        assert store.ratings_of(connection, stage.service.namespace_id, stage.service.id) == {4: 1, 5: 1}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"comment": "   "},
        {"rating": 0},
        {"rating": 6},
        {"comment": "x" * 2001},
        {"comment": "\x1b[31mred"},
        {"comment": "a\0b"},
        {"comment": "\u202egnirts"},
        {"comment": "\ud800"},
        {"value": float("nan")},
        {"value": "x" * 201},
        {"value": ""},
        {"value": "\x07"},
    ],
)
def test_what_says_nothing_or_does_harm_is_refused(stage: Stage, said: dict[str, Any]) -> None:
    (one,) = stage.send(stage.cars(1), START)
    with pytest.raises(InvalidInput):
        leave(stage, one, **said)
    assert kept(stage) == []


def test_only_predictions_of_the_service_are_spoken_of(stage: Stage) -> None:
    (one,) = stage.send(stage.cars(1), START)
    for prediction_id, row in (("x", 0), (one, 1), ("'; DROP TABLE feedback", 0)):
        with pytest.raises(NotFound):
            leave(stage, prediction_id, row=row, rating=1)
    with pytest.raises(NotFound):
        leave_feedback(stage.site, stage.people.viewer, "bus", FeedbackRequest(prediction_id=one, rating=1))
    stranger = type(stage.people.viewer)(person="eve", namespace_id=stage.service.namespace_id, roles=frozenset())
    with pytest.raises(Forbidden):
        leave_feedback(stage.site, stranger, "fuel", FeedbackRequest(prediction_id=one, rating=1))


def test_nobody_says_more_than_so_much_a_minute(stage: Stage, clock: FixedClock) -> None:
    ids = stage.send(stage.cars(MOST_A_MINUTE + 1), START)
    for each in ids[:-1]:
        leave(stage, each, rating=3)
    with pytest.raises(TooManyRequests):
        leave(stage, ids[-1], rating=3)
    clock.advance(61)
    leave(stage, ids[-1], rating=3)
    assert len(kept(stage)) == MOST_A_MINUTE + 1


def test_a_corrected_value_is_no_truth(stage: Stage, clock: FixedClock) -> None:
    (one, *_) = stage.send(stage.cars(60), START)
    leave(stage, one, value=31.5)
    assert advance(stage, clock)[0].truths == 0


def test_a_corrected_value_is_the_truth_where_the_rules_say_so_and_none_was_delivered(
    stage: Stage, clock: FixedClock
) -> None:
    set_rules(stage, Rules(feedback_is_truth=True))
    one, two, *_ = stage.send(stage.cars(60), START)
    items = [TruthItem(prediction_id=one, value=10.0)]
    deliver_truth(stage.site, stage.people.author, "fuel", items, source=SOURCE, match=match)
    (before,) = advance(stage, clock)
    leave(stage, one, value=99.0)
    assert advance(stage, clock)[0].report == before.report
    leave(stage, two, value=20.0)
    assert advance(stage, clock)[0].truths == 2


def test_feedback_comes_over_the_api_and_is_counted(platform: Platform) -> None:
    stage = open_stage(platform.site, people_of(platform.site))
    ids = stage.send(stage.cars(3), START)
    client = TestClient(create_app(platform), base_url="http://localhost")
    client.headers["Authorization"] = f"Bearer {local_token(platform.site)}"
    path = "/api/v1/services/fuel/feedback"
    evil = "<script>alert(1)</script>"
    assert client.post(path, json={"prediction_id": ids[0], "rating": 5, "comment": evil}).status_code == 201
    client.post(path, json={"prediction_id": ids[1], "value": True, "comment": "b"})
    first = client.get(path, params={"page_size": 1}).json()
    assert [each["comment"] for each in first["items"]] == ["b"]
    rest = client.get(path, params={"page_token": first["next_page_token"]}).json()
    assert [each["comment"] for each in rest["items"]] == [evil]
    counted = client.get("/api/v1/services/fuel/monitoring").json()["feedback"]
    assert counted == {"count": 2, "ratings": {"5": 1}}
    for wrong in ({}, {"prediction_id": ids[2]}, {"prediction_id": ids[2], "rating": 2.5}):
        assert client.post(path, json=wrong).status_code == 400
    foreign = client.post(path, json={"prediction_id": ids[2], "rating": 1}, headers={"Origin": "http://evil.test"})
    assert foreign.status_code == 403
