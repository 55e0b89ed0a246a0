"""Windows: records are cut, compared with the reference, and computed again when the log or the truth says more."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import FixedClock, People, people_of
from tests.unit.monitoring.traffic import START, FixedSource, Stage, car, document_of, open_stage

from tidemill.base.errors import Unavailable
from tidemill.base.site import Site
from tidemill.monitoring.advance import advance_windows
from tidemill.monitoring.plan import BURST_SECONDS, PART_OF_TIME, debt_after
from tidemill.monitoring.rules import AlertKind, Rules, bind_rules
from tidemill.monitoring.spool import spool_folder
from tidemill.monitoring.windows import Window, WindowState, store
from tidemill.monitoring.windows.compute import compute
from tidemill.monitoring.windows.inspect import Reference
from tidemill.monitoring.windows.job import Job, computed_from_json, job_from_json
from tidemill.monitoring.windows.model import Progress

HOUR = timedelta(hours=1)
REFERENCE = document_of([car(random.Random(1)) for _ in range(1)] + [car(random.Random(n)) for n in range(2, 301)])
SOURCE = FixedSource(REFERENCE)


@pytest.fixture
def people(still_site: Site) -> People:
    return people_of(still_site)


@pytest.fixture
def stage(still_site: Site, people: People) -> Stage:
    return open_stage(still_site, people)


def advance(stage: Stage, clock: FixedClock, *, source: FixedSource = SOURCE) -> list[Window]:
    """A turn of the round, computed in this process; the windows of the service, oldest first."""
    clock.advance(3600)
    advance_windows(stage.site, source=source, compute=compute)
    return windows(stage)


def windows(stage: Stage) -> list[Window]:
    with stage.site.database.read() as connection:
        return store.windows_of(connection, stage.service.namespace_id, stage.service.id)[::-1]


def set_rules(stage: Stage, rules: Rules) -> None:
    with stage.site.database.write() as connection:
        bind_rules(connection, stage.site, stage.people.author, "fuel", rules)


def column(window: Window, name: str) -> dict[str, Any]:
    return next(each for each in window.report["columns"] if each["name"] == name)


def found(window: Window, kind: AlertKind) -> list[tuple[str, str]]:
    return [(each.name, each.feature) for each in window.findings if each.kind is kind and each.breached]


def test_each_hour_with_predictions_is_a_window_of_its_revision(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), START)
    stage.send(stage.cars(80), START + 2 * HOUR)
    first, second = advance(stage, clock)
    assert (first.start, first.end, first.rows) == (START, START + HOUR, 60)
    assert (second.start, second.records, second.revision_id) == (START + 2 * HOUR, 80, stage.revision.id)
    assert {first.state, second.state} == {WindowState.CLOSED}
    assert sum(column(first, "weight")["counts"]) == 60
    assert first.report["prediction"]["drifted"] is False
    assert found(first, AlertKind.DRIFT) == found(second, AlertKind.DRIFT) == []


def test_a_shift_of_one_feature_is_found_and_named_and_so_is_what_it_does_to_the_answers(
    stage: Stage, clock: FixedClock
) -> None:
    stage.send([{**row, "weight": row["weight"] - 900} for row in stage.cars(100)], START)
    (window,) = advance(stage, clock)
    assert found(window, AlertKind.DRIFT) == [("drift", "weight"), ("prediction-drift", "prediction")]
    weight = column(window, "weight")
    assert weight["drifted"] is True
    assert weight["effect"] == weight["statistics"]["psi"]["value"] > 0.2
    assert set(weight["statistics"]) == {"psi", "jensen_shannon", "wasserstein", "kolmogorov_smirnov"}
    assert set(column(window, "origin")["statistics"]) == {"psi", "jensen_shannon", "chi_squared"}
    assert weight["statistics"]["wasserstein"]["value"] == pytest.approx(1.5, abs=0.3)


def test_another_mix_of_categories_is_drift(stage: Stage, clock: FixedClock) -> None:
    stage.send([{**row, "origin": "europe"} if place % 2 else row for place, row in enumerate(stage.cars(100))], START)
    (window,) = advance(stage, clock)
    assert found(window, AlertKind.DRIFT) == [("drift", "origin")]


def test_the_smoke_test_of_a_predictor_is_no_traffic(stage: Stage, clock: FixedClock) -> None:
    stage.send([{"weight": 9e9, "year": 1, "origin": "moon"}] * 20, START, request_id=None)
    stage.send(stage.cars(60), START)
    (window,) = advance(stage, clock)
    assert (window.records, window.rows) == (60, 60)


def test_computing_is_paid_for_by_waiting_and_some_may_come_at_once() -> None:
    progress = None
    for turn in range(12):  # 3 seconds of computing, every 5 seconds
        now = START + timedelta(seconds=5 * turn)
        seconds = debt_after(progress, now, 3.0)
        progress = Progress(hours={}, look="", computed_at=now, seconds=seconds, problem="")
    assert progress is not None
    assert progress.seconds == pytest.approx(12 * 3 - 11 * 5 / PART_OF_TIME)
    assert debt_after(progress, progress.computed_at + timedelta(hours=1), 3.0) == 3.0


@pytest.mark.parametrize(("status", "name"), [(400, "rejected"), (500, "errors")])
def test_windows_of_rows_end_also_where_nothing_is_answered_any_more(
    stage: Stage, clock: FixedClock, status: int, name: str
) -> None:
    set_rules(stage, Rules(window_rows=60))
    stage.send(stage.cars(30), START)
    refused: dict[str, Any] = {"status": status, "outputs": None, "error": "no column 'year'"}
    stage.send(stage.cars(130), START + timedelta(minutes=5), **refused)
    first, second, rest = advance(stage, clock)
    assert [(each.state, each.records, each.rows) for each in (first, second, rest)] == [
        (WindowState.CLOSED, 90, 30),
        (WindowState.CLOSED, 60, 0),
        (WindowState.OPEN, 10, 0),
    ]
    for each in (first, second):
        assert [(found.name, found.breached) for found in each.findings] == [(name, True)]


def test_a_clock_that_is_put_back_holds_up_no_window(stage: Stage, clock: FixedClock) -> None:
    advance(stage, clock)
    stage.send(stage.cars(60), START)
    advance(stage, clock)
    clock.advance(-86_400)
    stage.send(stage.cars(30), START - timedelta(hours=30))
    advance(stage, clock)
    assert [window.records for window in windows(stage)] == [30, 60]


def test_a_service_that_owes_too_much_computing_waits_until_it_is_paid(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), START)
    advance(stage, clock)
    owed = BURST_SECONDS + 10
    for waited, computed in ((PART_OF_TIME * 10 - 1, 0), (PART_OF_TIME * 10 + 1, 1)):
        stage.send(stage.cars(1), START)
        progress = Progress(hours={}, look="", computed_at=stage.site.clock.now(), seconds=owed, problem="")
        with stage.site.database.write() as connection:
            store.put_progress(connection, stage.service.namespace_id, stage.service.id, progress)
        clock.advance(waited)
        assert advance_windows(stage.site, source=SOURCE, compute=compute) == computed


def test_three_rows_have_no_verdict(stage: Stage, clock: FixedClock) -> None:
    stage.send([{"weight": 9e9, "year": None, "origin": "moon"}] * 3, START)
    (window,) = advance(stage, clock)
    assert window.report["note"] == "not enough rows: 3 of 50"
    assert (window.judged, window.findings, column(window, "weight")["drifted"]) == ((), (), None)
    assert window.rows == 3


@pytest.mark.parametrize(
    ("change", "name", "feature", "value"),
    [
        ({"origin": None}, "vanished", "origin", None),
        ({"weight": None}, "vanished", "weight", None),
        ({"year": 74}, "constant", "year", "74"),
        ({"origin": "moon"}, "new-category", "origin", "moon"),
        ({"weight": 1e6}, "out-of-range", "weight", "1e+06"),
    ],
)
def test_what_is_wrong_with_a_feature_is_named(
    stage: Stage, clock: FixedClock, change: dict[str, Any], name: str, feature: str, value: str | None
) -> None:
    stage.send([{**row, **change} for row in stage.cars(60)], START, answer=lambda _: 20.0)
    (window,) = advance(stage, clock)
    assert (name, feature) in found(window, AlertKind.QUALITY)
    problem = next(each for each in column(window, feature)["problems"] if each["name"] == name)
    assert problem["share"] == 1.0
    assert value is None or value in problem["values"]


def test_some_missing_values_are_a_share(stage: Stage, clock: FixedClock) -> None:
    rows = [{**row, "year": None} if place % 4 == 0 else row for place, row in enumerate(stage.cars(80))]
    stage.send(rows, START)
    (window,) = advance(stage, clock)
    assert found(window, AlertKind.QUALITY) == [("missing", "year")]
    assert column(window, "year")["missing"] == 20


def test_refused_and_failed_requests_are_counted_with_their_reasons(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), START)
    lacking = "instance 0 has no column 'weight'"
    stage.send(stage.cars(30), START + timedelta(minutes=5), status=400, error=lacking, outputs=None)
    stage.send(stage.cars(10), START + timedelta(minutes=9), status=500, error="\x1b[31mboom", outputs=None)
    (window,) = advance(stage, clock)
    requests = window.report["requests"]
    assert (requests["count"], requests["rows"], requests["rejected"], requests["failed"]) == (100, 60, 30, 10)
    assert requests["refusals"] == [{"error": lacking, "count": 30}]
    assert found(window, AlertKind.QUALITY) == [("rejected", "")]
    assert found(window, AlertKind.HEALTH) == [("errors", "")]


def test_an_open_window_is_shown_and_closed_when_its_time_is_over(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), clock.moment)
    clock.advance(600)
    advance_windows(stage.site, source=SOURCE, compute=compute)
    assert [each.state for each in windows(stage)] == [WindowState.OPEN]
    again = advance(stage, clock)
    assert [each.state for each in again] == [WindowState.CLOSED]


def test_what_comes_late_is_computed_in_and_nothing_is_counted_twice(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), START)
    (before,) = advance(stage, clock)
    assert advance(stage, clock) == [before]
    stage.send(stage.cars(5), START + timedelta(minutes=30))
    (after,) = advance(stage, clock)
    assert (after.id, after.records) == (before.id, 65)
    assert after.computed_at > before.computed_at


def test_nothing_is_computed_while_nothing_is_new(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), START)
    advance(stage, clock)

    def refuse(*_: Any) -> Any:
        raise AssertionError("it was computed")

    clock.advance(3600)
    assert advance_windows(stage.site, source=SOURCE, compute=refuse) == 0


def test_a_computation_that_dies_leaves_the_windows_as_they_were_and_is_told(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), START)
    before = advance(stage, clock)
    stage.send(stage.cars(60), START + HOUR)

    def die(*_: Any) -> Any:
        raise Unavailable("the windows could not be computed: killed")

    clock.advance(3600)
    assert advance_windows(stage.site, source=SOURCE, compute=die) == 0
    assert windows(stage) == before
    with stage.site.database.read() as connection:
        progress = store.progress_of(connection, stage.service.namespace_id, stage.service.id)
    assert progress is not None
    assert "killed" in progress.problem
    assert len(advance(stage, clock)) == 2


def test_a_service_whose_computation_failed_holds_up_no_other(stage: Stage, clock: FixedClock, people: People) -> None:
    stage.send(stage.cars(60), START)
    clock.advance(3600)

    def die(_: Any, jobs: Any) -> Any:
        raise Unavailable("no")

    advance_windows(stage.site, source=SOURCE, compute=die)
    asked: list[int] = []

    def count(home: Any, jobs: Any) -> Any:
        asked.append(len(jobs))
        return compute(home, jobs)

    from tidemill.serving import ServiceSpec, apply_service

    apply_service(stage.site, people.author, ServiceSpec(name="bus"))
    stage.send(stage.cars(60), START)
    clock.advance(3600)
    advance_windows(stage.site, source=SOURCE, compute=count)
    assert asked == [1]
    assert len(windows(stage)) == 1


def test_each_revision_has_windows_of_its_own(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), START)
    first = stage.revision
    second = stage.revise()
    stage.send(stage.cars(70), START)
    assert {each.revision_id: each.rows for each in advance(stage, clock)} == {first.id: 60, second.id: 70}


def test_without_a_proven_reference_there_is_no_verdict_on_columns(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), START)
    (window,) = advance(stage, clock, source=replace(SOURCE, is_proven=False))
    assert window.report["note"] == "the review was changed"
    assert "drift" not in window.judged
    assert "errors" in window.judged


def test_windows_are_counted_in_rows_where_the_rules_say_so(stage: Stage, clock: FixedClock) -> None:
    set_rules(stage, Rules(window_rows=40, min_rows=20))
    stage.send(stage.cars(100), START, every=timedelta(minutes=7))
    made = advance(stage, clock)
    assert [(each.rows, each.state.value) for each in made] == [(40, "closed"), (40, "closed"), (20, "open")]
    stage.send(stage.cars(30), START + timedelta(hours=15))
    again = advance(stage, clock)
    assert [each.rows for each in again] == [40, 40, 40, 10]
    assert again[2].id == made[2].id
    assert advance(stage, clock) == again


def test_rows_that_came_a_moment_before_a_turn_are_in_a_later_one(stage: Stage, clock: FixedClock) -> None:
    set_rules(stage, Rules(window_rows=60))
    now = stage.site.clock.now()
    stage.send(stage.cars(60), now - timedelta(seconds=2), every=timedelta(milliseconds=1))
    written = spool_folder(stage.site.home) / "20291231T12-1-1-1.open"  # a predictor has written just now
    written.touch()
    os.utime(written, (now.timestamp(), now.timestamp()))
    for _ in range(2):
        assert advance_windows(stage.site, source=SOURCE, compute=compute) == 1
        clock.advance(60)
    assert [window.rows for window in windows(stage)] == [60]


def test_a_request_with_several_rows_counts_as_these(stage: Stage, clock: FixedClock) -> None:
    rows = stage.cars(60)
    tensors = {name: [[row[name]] for row in rows] for name in ("weight", "year", "origin")}
    answers = [[20.0] * 60]
    stage.send([{}], START, inputs=tensors, outputs=answers, protocol="v2", answer=lambda _: 0.0)
    stage.send([{}], START + HOUR, inputs=rows, outputs=answers, answer=lambda _: 0.0)
    by_tensor, by_row = advance(stage, clock)
    assert (by_tensor.records, by_tensor.rows) == (1, 60)
    assert column(by_tensor, "weight")["counts"] == column(by_row, "weight")["counts"]
    assert column(by_tensor, "origin")["counts"] == column(by_row, "origin")["counts"]


@pytest.mark.parametrize("inputs", [None, 7, "x", [], [[1, 2]], {"a": [1]}, [[1, 2, 3, 4]], {"weight": [1]}])
def test_what_cannot_be_read_as_rows_is_left_out(stage: Stage, clock: FixedClock, inputs: Any) -> None:
    stage.send(stage.cars(60), START)
    stage.send([{}], START, inputs=inputs, answer=lambda _: 1.0)
    (window,) = advance(stage, clock)
    assert (window.records, column(window, "weight")["rows"]) == (61, 60)


def test_hostile_categories_are_harmless(stage: Stage, clock: FixedClock) -> None:
    evil = ["\x1b[2J\x00", "<script>alert(1)</script>", "ж" * 10_000, "a\nb", "'; DROP TABLE x; --"]
    stage.send([{**row, "origin": evil[place % 5]} for place, row in enumerate(stage.cars(60))], START)
    (window,) = advance(stage, clock)
    (problem,) = [each for each in column(window, "origin")["problems"] if each["name"] == "new-category"]
    assert len(problem["values"]) == 5
    assert all(value.isprintable() and len(value) <= 120 for value in problem["values"])


def test_jobs_and_windows_travel_as_json(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), START)
    clock.advance(3600)
    seen: list[Job] = []

    def travel(home: Any, jobs: Any) -> Any:
        seen.extend(jobs)
        arrived = [job_from_json(json.loads(json.dumps(job.to_json()))) for job in jobs]
        assert arrived == list(jobs)
        done = compute(home, arrived)
        for outcome in done:
            for each in outcome.windows:
                assert computed_from_json(json.loads(json.dumps(each.to_json()))) == each
        return done

    advance_windows(stage.site, source=SOURCE, compute=travel)
    assert isinstance(seen[0].references[stage.revision.id], Reference)


def test_in_a_process_of_its_own_the_same_comes_out(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), START)
    clock.advance(3600)
    assert advance_windows(stage.site, source=SOURCE) == 1
    (window,) = windows(stage)
    assert (window.rows, window.report["prediction"]["drifted"]) == (60, False)
