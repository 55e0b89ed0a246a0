"""Alerts: raised after several bad windows, resolved after several good ones, told once, acknowledged, silenced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import FixedClock, People, people_of
from tests.unit.monitoring.test_windows import SOURCE, advance, set_rules, windows
from tests.unit.monitoring.traffic import START, Row, Stage, an_alert, consumption, open_stage

from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound
from tidemill.base.events import Event, events_after
from tidemill.base.site import Site
from tidemill.monitoring.advance import advance_windows
from tidemill.monitoring.alerts import (
    Alert,
    AlertState,
    acknowledge_alert,
    get_alert,
    list_alerts,
    silence_alert,
    store,
)
from tidemill.monitoring.alerts.model import ALERT_TRANSITIONS, check_alert_transition
from tidemill.monitoring.rules import AlertKind, Rules
from tidemill.monitoring.truth import TruthItem
from tidemill.monitoring.truth.deliver import deliver_truth
from tidemill.monitoring.truth.match import match
from tidemill.monitoring.windows.compute import compute
from tidemill.serving import delete_service

HOUR = timedelta(hours=1)


@pytest.fixture
def people(still_site: Site) -> People:
    return people_of(still_site)


@pytest.fixture
def stage(still_site: Site, people: People) -> Stage:
    return open_stage(still_site, people)


def light(rows: Sequence[Row]) -> list[Row]:
    """The same cars, much lighter."""
    return [{**row, "weight": row["weight"] - 900} for row in rows]


def pass_hours(stage: Stage, clock: FixedClock, *rows: Sequence[Row]) -> None:
    """One window after the other, each seen by the controller when it is closed."""
    for each in rows:
        begin = clock.moment.replace(minute=0, second=0)
        clock.advance(10 if clock.moment == begin else 0)
        stage.send(each, begin)
        advance(stage, clock)


def alerts(stage: Stage) -> dict[str, Alert]:
    found = list_alerts(stage.site, stage.people.viewer)
    return {f"{each.name} {each.feature}".strip(): each for each in reversed(found)}


def told(stage: Stage) -> list[Event]:
    with stage.site.database.read() as connection:
        return events_after(
            connection,
            namespace_id=stage.service.namespace_id,
            number=0,
            kinds=["alert.raised", "alert.resolved"],
        )


def test_one_bad_window_is_pending_two_in_a_row_are_raised_and_two_good_ones_resolve(
    stage: Stage, clock: FixedClock
) -> None:
    pass_hours(stage, clock, stage.cars(60))
    assert alerts(stage) == {}
    pass_hours(stage, clock, light(stage.cars(60)))
    assert alerts(stage)["drift weight"].state is AlertState.PENDING
    assert told(stage) == []
    pass_hours(stage, clock, light(stage.cars(60)))
    raised = alerts(stage)["drift weight"]
    assert (raised.state, raised.kind, raised.window_id) == (
        AlertState.RAISED,
        AlertKind.DRIFT,
        windows(stage)[-1].id,
    )
    pass_hours(stage, clock, stage.cars(60))
    assert alerts(stage)["drift weight"].state is AlertState.RAISED
    pass_hours(stage, clock, stage.cars(60))
    assert alerts(stage)["drift weight"].state is AlertState.RESOLVED
    assert [(each.kind, each.data["feature"]) for each in told(stage)] == [
        ("alert.raised", "weight"),
        ("alert.raised", "prediction"),
        ("alert.resolved", "weight"),
        ("alert.resolved", "prediction"),
    ]
    (event, *_) = told(stage)
    assert event.subject_id == raised.id
    assert {name: event.data[name] for name in ("service", "environment", "alert", "kind", "threshold")} == {
        "service": "fuel",
        "environment": "production",
        "alert": "drift",
        "kind": "drift",
        "threshold": 0.2,
    }
    assert event.data["window_start"] < event.data["window_end"]


def test_a_single_bad_window_lapses_without_a_word(stage: Stage, clock: FixedClock) -> None:
    pass_hours(stage, clock, light(stage.cars(60)), stage.cars(60))
    assert alerts(stage)["drift weight"].state is AlertState.LAPSED
    assert told(stage) == []


def test_it_may_be_raised_again_after_it_was_resolved(stage: Stage, clock: FixedClock) -> None:
    set_rules(stage, Rules(windows_to_raise=1, windows_to_resolve=1))
    pass_hours(stage, clock, light(stage.cars(60)), stage.cars(60), light(stage.cars(60)))
    drift = [each for each in list_alerts(stage.site, stage.people.viewer) if each.feature == "weight"]
    assert [each.state for each in drift] == [AlertState.RAISED, AlertState.RESOLVED]


def test_windows_with_few_rows_neither_raise_nor_resolve(stage: Stage, clock: FixedClock) -> None:
    pass_hours(stage, clock, light(stage.cars(3)), light(stage.cars(3)), light(stage.cars(3)))
    assert alerts(stage) == {}
    pass_hours(stage, clock, light(stage.cars(60)), stage.cars(3), light(stage.cars(60)))
    assert alerts(stage)["drift weight"].state is AlertState.RAISED
    pass_hours(stage, clock, stage.cars(3), stage.cars(3), stage.cars(3))
    assert alerts(stage)["drift weight"].state is AlertState.RAISED


def test_what_the_rules_leave_out_is_no_alert(stage: Stage, clock: FixedClock) -> None:
    set_rules(stage, Rules(alerts=(AlertKind.HEALTH,), windows_to_raise=1))
    pass_hours(stage, clock, light(stage.cars(60)))
    assert [each.kind for each in windows(stage)[0].findings] != []
    assert alerts(stage) == {}


def test_traffic_like_the_reference_raises_nothing_in_twenty_windows(stage: Stage, clock: FixedClock) -> None:
    pass_hours(stage, clock, *(stage.cars(60) for _ in range(20)))
    assert [each for each in alerts(stage).values() if each.state is not AlertState.LAPSED] == []


def test_a_worse_error_is_raised_when_the_truth_comes_late(stage: Stage, clock: FixedClock) -> None:
    rows = stage.cars(120)
    begin = clock.moment
    ids = [*stage.send(rows[:60], begin), *stage.send(rows[60:], begin + HOUR)]
    clock.advance(7 * 86_400)
    advance(stage, clock)
    assert alerts(stage) == {}
    items = [
        TruthItem(prediction_id=each, value=consumption(row) + (7 if place % 2 else -7))
        for place, (each, row) in enumerate(zip(ids, rows, strict=True))
    ]
    deliver_truth(stage.site, stage.people.author, "fuel", items, source=SOURCE, match=match)
    advance(stage, clock)
    found = alerts(stage)["performance"]
    assert (found.state, found.kind) == (AlertState.RAISED, AlertKind.PERFORMANCE)
    assert found.value == pytest.approx(7.0)


def test_an_alert_ends_with_its_revision_and_with_its_service(stage: Stage, clock: FixedClock) -> None:
    pass_hours(stage, clock, light(stage.cars(60)), light(stage.cars(60)))
    first = stage.revision
    stage.revise()
    stage.retire(first)
    advance(stage, clock)
    found = alerts(stage)["drift weight"]
    assert (found.state, found.message) == (AlertState.RESOLVED, "the revision answers no more")
    pass_hours(stage, clock, light(stage.cars(60)))
    assert alerts(stage)["drift weight"].state is AlertState.PENDING
    delete_service(stage.site, stage.people.author, "fuel", force=True)
    advance_windows(stage.site, source=SOURCE, compute=compute)
    assert alerts(stage)["drift weight"].message == "the service is gone"


def test_a_canary_is_watched_like_what_is_live(stage: Stage, clock: FixedClock) -> None:
    from tidemill.serving import RevisionState

    stage.revise(RevisionState.CANARY)
    pass_hours(stage, clock, light(stage.cars(60)), light(stage.cars(60)))
    assert alerts(stage)["drift weight"].state is AlertState.RAISED


def test_a_silenced_alert_is_told_of_when_the_silence_is_over(stage: Stage, clock: FixedClock) -> None:
    pass_hours(stage, clock, light(stage.cars(60)))
    pending = alerts(stage)["drift weight"]
    silence_alert(stage.site, stage.people.owner, pending.id, clock.moment + 3 * HOUR)
    pass_hours(stage, clock, light(stage.cars(60)))
    assert alerts(stage)["drift weight"].state is AlertState.RAISED
    assert "weight" not in {each.data["feature"] for each in told(stage)}
    clock.advance(4 * 3600)
    advance_windows(stage.site, source=SOURCE, compute=compute)
    assert "weight" in {each.data["feature"] for each in told(stage)}
    advance_windows(stage.site, source=SOURCE, compute=compute)
    assert len([each for each in told(stage) if each.data["feature"] == "weight"]) == 1


def test_silence_holds_for_the_same_thing_when_it_comes_again_and_can_be_ended(stage: Stage, clock: FixedClock) -> None:
    set_rules(stage, Rules(windows_to_raise=1, windows_to_resolve=1))
    pass_hours(stage, clock, light(stage.cars(60)))
    first = alerts(stage)["drift weight"]
    silence_alert(stage.site, stage.people.owner, first.id, clock.moment + 24 * HOUR)
    pass_hours(stage, clock, stage.cars(60), light(stage.cars(60)))
    again = alerts(stage)["drift weight"]
    assert (again.id != first.id, again.silenced_by, again.told_at) == (True, "olga", None)
    assert silence_alert(stage.site, stage.people.owner, again.id, None).silenced_until is None
    advance_windows(stage.site, source=SOURCE, compute=compute)
    assert alerts(stage)["drift weight"].told_at is not None


def test_whoever_acknowledges_first_stands(stage: Stage) -> None:
    alert = keep(stage)
    first = acknowledge_alert(stage.site, stage.people.owner, alert.id)
    assert first.acknowledged_by == "olga"
    assert acknowledge_alert(stage.site, stage.people.author, alert.id) == first
    assert get_alert(stage.site, stage.people.viewer, alert.id) == first


def keep(stage: Stage, **changes: Any) -> Alert:
    alert = an_alert(stage, **changes)
    with stage.site.database.write() as connection:
        store.insert_alert(connection, alert)
    return alert


def test_what_cannot_be_is_refused(stage: Stage, clock: FixedClock) -> None:
    alert, ended = keep(stage), keep(stage, state=AlertState.RESOLVED)
    owner, now = stage.people.owner, clock.moment
    with pytest.raises(Forbidden):
        acknowledge_alert(stage.site, stage.people.viewer, alert.id)
    with pytest.raises(NotFound):
        acknowledge_alert(stage.site, owner, "x")
    with pytest.raises(Conflict):
        acknowledge_alert(stage.site, owner, ended.id)
    for until in (now, now - HOUR, now + 100 * 24 * HOUR, (now + HOUR).replace(tzinfo=None)):
        with pytest.raises(InvalidInput):
            silence_alert(stage.site, owner, alert.id, until)


def test_only_the_transitions_of_the_table_are_allowed() -> None:
    for old in AlertState:
        for new in AlertState:
            if new in ALERT_TRANSITIONS[old]:
                check_alert_transition(old, new)
            else:
                with pytest.raises(Conflict):
                    check_alert_transition(old, new)


def test_alerts_are_listed_by_state_and_service_page_by_page(stage: Stage) -> None:
    raised = [keep(stage).id for _ in range(3)]
    keep(stage, state=AlertState.RESOLVED)
    site, viewer = stage.site, stage.people.viewer
    active = list_alerts(site, viewer, states=(AlertState.RAISED,))
    assert [each.id for each in active] == raised[::-1]
    assert [each.id for each in list_alerts(site, viewer, states=(AlertState.RAISED,), before=raised[1])] == raised[:1]
    assert list_alerts(site, viewer, service="bus") == []
    assert len(list_alerts(site, viewer, limit=2)) == 2


def test_a_hostile_column_name_is_harmless_everywhere(stage: Stage, clock: FixedClock) -> None:
    alert = keep(stage, feature="\"'><script>" + "ж" * 10_000)
    assert get_alert(stage.site, stage.people.viewer, alert.id).feature == alert.feature
    assert clock.moment > START
