"""Tuning: trials are runs, they are claimed once, and a killed tuning goes on from its rows."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import update
from tests.unit.tuning.conftest import Lab

from tidemill.access import Actor, Role
from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from tidemill.base.events import events_of
from tidemill.engine import State, get_run, list_runs, submit_run
from tidemill.tuning import (
    Direction,
    TrialState,
    TuningState,
    advance_tuning,
    advance_tunings,
    cancel_tuning,
    get_tuning,
    list_tunings,
    parse_space,
    resume_tuning,
    start_tuning,
    tune,
)
from tidemill.tuning.store import trial_rows


def test_a_tuning_finds_the_best_trial_and_its_run_is_the_candidate(lab: Lab) -> None:
    done = tune(lab.site, lab.actor, lab.request(trials=12), wait=lab.work)
    assert done.state is TuningState.SUCCEEDED
    assert [trial.number for trial in done.trials] == list(range(12))
    assert done.best is not None
    assert done.best.value == min(trial.value for trial in done.trials if trial.value is not None)
    assert done.best.parameters["shape"] == "flat"
    assert done.candidate_run_id == done.best.run_id
    run = get_run(lab.site, lab.actor, done.best.run_id or "")
    assert run.parameters == done.best.parameters
    assert run.origin["tuning_id"] == done.id
    assert run.author == "alan"


def test_upstream_steps_that_did_not_change_come_from_the_cache(lab: Lab) -> None:
    tune(lab.site, lab.actor, lab.request(), wait=lab.work)
    assert lab.programs.calls.count("measure") == 6
    assert lab.programs.calls.count("load") == 1


def test_no_more_trials_than_asked_for_run_at_a_time(lab: Lab) -> None:
    tuning = start_tuning(lab.site, lab.actor, lab.request(trials=5, parallel=3))
    busy = []
    while tuning.state is TuningState.RUNNING:
        tuning = advance_tuning(lab.site, lab.actor.namespace_id, tuning.id)
        busy.append(sum(trial.state is TrialState.RUNNING for trial in tuning.trials))
        lab.work()
    assert busy == [3, 2, 0]


def test_the_same_history_and_seed_give_the_same_trials(lab: Lab) -> None:
    first = tune(lab.site, lab.actor, lab.request(parallel=1), wait=lab.work)
    second = tune(lab.site, lab.actor, lab.request(parallel=1), wait=lab.work)
    other = tune(lab.site, lab.actor, lab.request(parallel=1, seed=4), wait=lab.work)
    points = [[trial.parameters for trial in tuning.trials] for tuning in (first, second, other)]
    assert points[0] == points[1] != points[2]
    assert lab.programs.calls.count("measure") == 12


def test_a_small_space_is_searched_without_repeating_a_point(lab: Lab) -> None:
    space = parse_space({"x": [0.0, 1.0, 2.0], "shape": ["flat", "steep"]})
    done = tune(lab.site, lab.actor, lab.request(space=space, trials=6), wait=lab.work)
    assert len({str(trial.parameters) for trial in done.trials}) == 6
    assert done.best is not None
    assert done.best.parameters == {"x": 1.0, "shape": "flat"}


def test_a_failed_trial_is_told_as_failed_and_the_others_go_on(lab: Lab) -> None:
    def sometimes(given: dict[str, Any]) -> Any:
        return 3 if given["shape"] == "steep" else {"loss": given["x"]}

    lab.programs.programs["measure"] = sometimes
    space = parse_space({"x": {"type": "float", "low": 0, "high": 1}, "shape": ["flat", "steep"]})
    done = tune(lab.site, lab.actor, lab.request(space=space, trials=8), wait=lab.work)
    states = {trial.parameters["shape"]: trial.state for trial in done.trials}
    assert states == {"flat": TrialState.SUCCEEDED, "steep": TrialState.FAILED}
    assert done.state is TuningState.SUCCEEDED
    assert "FAILED" in next(trial.reason or "" for trial in done.trials if trial.state is TrialState.FAILED)


@pytest.mark.parametrize("objective", ["measure.lost", "measure.report.loss", "loss", "other.loss"])
def test_an_objective_that_no_run_reports_fails_the_tuning_with_a_reason(lab: Lab, objective: str) -> None:
    done = tune(lab.site, lab.actor, lab.request(objective=objective, trials=2), wait=lab.work)
    assert (done.state, done.best, done.candidate_run_id) == (TuningState.FAILED, None, None)
    assert all(trial.reason for trial in done.trials)


def test_a_tuning_can_maximise(lab: Lab) -> None:
    done = tune(lab.site, lab.actor, lab.request(direction=Direction.MAXIMIZE), wait=lab.work)
    assert done.best is not None
    assert done.best.value == max(trial.value or 0 for trial in done.trials)


def test_a_killed_tuning_goes_on_from_its_rows_and_repeats_no_trial(lab: Lab) -> None:
    tuning = start_tuning(lab.site, lab.actor, lab.request())
    advance_tuning(lab.site, lab.actor.namespace_id, tuning.id)
    lab.work()
    # the driver is killed here: only the rows are left
    done = resume_tuning(lab.site, lab.actor, tuning.id, wait=lab.work)
    assert done.state is TuningState.SUCCEEDED
    assert len(list_runs(lab.site, lab.actor).items) == 6


@pytest.mark.parametrize("is_submitted", [False, True])
def test_a_driver_killed_between_claim_and_note_loses_no_trial_and_makes_no_second_run(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, is_submitted: bool
) -> None:
    tuning = start_tuning(lab.site, lab.actor, lab.request(trials=1, parallel=1))

    def killed(*arguments: Any) -> Any:
        if is_submitted:
            submit_run(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("tidemill.tuning.advance.submit_run", killed)
    with pytest.raises(KeyboardInterrupt):
        advance_tuning(lab.site, lab.actor.namespace_id, tuning.id)
    monkeypatch.setattr("tidemill.tuning.advance.submit_run", submit_run)
    waiting = advance_tuning(lab.site, lab.actor.namespace_id, tuning.id)
    assert [trial.state for trial in waiting.trials] == [TrialState.CLAIMED], "the claim holds for a while"
    with lab.site.database.write() as connection:
        connection.execute(update(trial_rows).values(claimed_until=lab.site.clock.now()))
    done = resume_tuning(lab.site, lab.actor, tuning.id, wait=lab.work)
    assert done.state is TuningState.SUCCEEDED
    assert len(list_runs(lab.site, lab.actor).items) == 1


def test_a_run_that_is_refused_is_a_failed_trial_and_the_tuning_ends(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise InvalidInput("not this")

    monkeypatch.setattr("tidemill.tuning.advance.submit_run", refuse)
    done = tune(lab.site, lab.actor, lab.request(trials=3), wait=lab.work)
    assert done.state is TuningState.FAILED
    assert [trial.reason for trial in done.trials] == ["the run was refused: not this"] * 3


def test_a_tuning_in_trouble_does_not_hold_up_the_others(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = start_tuning(lab.site, lab.actor, lab.request(trials=1, name="bad"))
    good = start_tuning(lab.site, lab.actor, lab.request(trials=1, name="good"))

    def troubled(site: Any, actor: Any, request: Any) -> Any:
        if request.name.startswith("bad"):
            raise Unavailable("not now")
        return submit_run(site, actor, request)

    monkeypatch.setattr("tidemill.tuning.advance.submit_run", troubled)
    with pytest.raises(Unavailable):
        advance_tunings(lab.site)
    assert [trial.state for trial in get_tuning(lab.site, lab.actor, good.id).trials] == [TrialState.RUNNING]
    assert [trial.state for trial in get_tuning(lab.site, lab.actor, bad.id).trials] == [TrialState.CLAIMED]


def test_several_drivers_at_a_time_start_each_trial_once(lab: Lab) -> None:
    tuning = start_tuning(lab.site, lab.actor, lab.request(trials=8, parallel=8))
    problems: list[BaseException] = []

    def drive() -> None:
        try:
            advance_tuning(lab.site, lab.actor.namespace_id, tuning.id)
        except BaseException as problem:  # noqa: BLE001  # told to the test's own thread below
            problems.append(problem)

    threads = [threading.Thread(target=drive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []
    started = advance_tuning(lab.site, lab.actor.namespace_id, tuning.id)
    assert [trial.state for trial in started.trials] == [TrialState.RUNNING] * 8
    runs = list_runs(lab.site, lab.actor).items
    assert len({run.origin["trial"] for run in runs}) == len(runs) == 8


def test_the_controllers_loop_advances_every_tuning(lab: Lab) -> None:
    tunings = [start_tuning(lab.site, lab.actor, lab.request(trials=1)) for _ in range(2)]
    assert advance_tunings(lab.site) == 2
    lab.work()
    advance_tunings(lab.site)
    assert advance_tunings(lab.site) == 0
    assert [one.id for one in list_tunings(lab.site, lab.actor)] == [tunings[1].id, tunings[0].id]
    with lab.site.database.read() as connection:
        events = events_of(connection, namespace_id=lab.actor.namespace_id, subject_id=tunings[0].id)
    assert [event.kind for event in events] == ["tuning.started", "trial.succeeded", "tuning.succeeded"]


def test_a_stopped_tuning_stops_its_runs_and_starts_no_more(lab: Lab) -> None:
    tuning = advance_tuning(lab.site, lab.actor.namespace_id, start_tuning(lab.site, lab.actor, lab.request()).id)
    stopped = cancel_tuning(lab.site, lab.actor, tuning.id)
    assert {trial.state for trial in stopped.trials} == {TrialState.CANCELLED}
    assert advance_tuning(lab.site, lab.actor.namespace_id, tuning.id).state is TuningState.CANCELLED
    lab.work()
    assert {run.state for run in list_runs(lab.site, lab.actor).items} == {State.CANCELED}
    with pytest.raises(Conflict):
        cancel_tuning(lab.site, lab.actor, tuning.id)


@pytest.mark.parametrize(
    "change",
    [
        {"trials": 0},
        {"parallel": 0},
        {"seed": -1},
        {"objective": "."},
        {"space": ()},
        {"space": parse_space({"y": {"type": "float", "low": 0, "high": 1}})},
        {"space": parse_space({"x": ["a", "b"]})},
        {"parameters": {"x": 1.0}},
    ],
)
def test_a_tuning_that_cannot_be_is_refused_before_anything_runs(lab: Lab, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        start_tuning(lab.site, lab.actor, lab.request(**change))
    assert list_tunings(lab.site, lab.actor) == []


def test_a_viewer_starts_no_tuning_and_another_namespace_finds_none(lab: Lab) -> None:
    viewer = Actor(person="vera", namespace_id=lab.actor.namespace_id, roles=frozenset({Role.VIEWER}))
    with pytest.raises(Forbidden):
        start_tuning(lab.site, viewer, lab.request())
    tuning = start_tuning(lab.site, lab.actor, lab.request())
    stranger = Actor(person="eve", namespace_id=lab.site.ids.new(), roles=frozenset(Role))
    with pytest.raises(NotFound):
        get_tuning(lab.site, stranger, tuning.id)
    with pytest.raises(NotFound):
        cancel_tuning(lab.site, stranger, tuning.id)


@pytest.mark.parametrize(
    ("space", "place"),
    [
        ({}, "space"),
        ({"x": 3}, "space.x"),
        ({"x": {"type": "number"}}, "space.x.type"),
        ({"x": {"type": "int", "low": 1}}, "space.x"),
        ({"x": {"type": "int", "low": 1.5, "high": 2}}, "space.x.low"),
        ({"x": {"type": "float", "low": 2, "high": 1}}, "space.x"),
        ({"x": {"type": "float", "low": 0, "high": 1, "log": True}}, "space.x"),
        ({"x": {"type": "float", "low": 0, "high": float("inf")}}, "space.x.high"),
        ({"x": {"type": "float", "low": 0, "high": 1, "step": 0}}, "space.x.step"),
        ({"x": {"type": "choice", "choices": []}}, "space.x.choices"),
        ({"x": {"type": "choice", "choices": [1], "low": 1}}, "space.x"),
    ],
)
def test_a_space_that_is_none_is_named_with_its_place(space: Any, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_space(space)
    assert caught.value.place == place
