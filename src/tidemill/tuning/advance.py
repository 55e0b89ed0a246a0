"""The verb advance_tuning: one look at the trials, new ones where there is room, the end when all have ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from tidemill.access import Actor, Role
from tidemill.base.ballast import Ballast, StorageState
from tidemill.base.errors import InvalidInput, NotFound, TidemillError
from tidemill.base.events import append_event
from tidemill.base.site import Site
from tidemill.engine import Run, RunRequest, State, get_run, list_runs, submit_run
from tidemill.engine.specs import read_spec
from tidemill.pipelines import Pipeline, load_pipeline
from tidemill.tuning import store
from tidemill.tuning.find import tuning_in
from tidemill.tuning.model import (
    Trial,
    TrialState,
    Tuning,
    TuningState,
    check_trial_transition,
    check_tuning_transition,
)
from tidemill.tuning.objective import objective_value
from tidemill.tuning.suggest import suggest

CLAIM_LASTS = timedelta(seconds=60)
"""How long a driver has to submit the run of a trial that it claimed, before another does it."""


def advance_tuning(site: Site, namespace_id: str, tuning_id: str) -> Tuning:
    """Note which trials ended, start as many as there is room for, and close the tuning when all have ended.

    Quick, and safe to call by several drivers at a time and again after a crash: each trial is claimed once, its run
    has a name of its own by which it is found again. The runs are made in the name of whoever started the tuning.
    """
    tuning = tuning_in(site, namespace_id, tuning_id)
    if tuning.state is not TuningState.RUNNING:
        return tuning
    for trial in tuning.trials:
        if trial.state is TrialState.RUNNING:
            _note_end(site, tuning, trial)
        elif trial.state is TrialState.CLAIMED and trial.claimed_until <= site.clock.now():
            _take_over(site, tuning, trial)
    while (claimed := _claim_next(site, namespace_id, tuning_id)) is not None:
        _start(site, tuning, claimed)
    _close_if_done(site, namespace_id, tuning_id)
    return tuning_in(site, namespace_id, tuning_id)


def advance_tunings(site: Site) -> int:
    """Advance every tuning that goes on, for the controller's loop; how many there were.

    Raises the first problem after all had their turn.
    """
    with site.database.read() as connection:
        running = store.running_tunings(connection)
    problems: list[TidemillError] = []
    for namespace_id, tuning_id in running:
        try:
            advance_tuning(site, namespace_id, tuning_id)
        except TidemillError as problem:
            problems.append(problem)  # the others shall go on; the loop is told afterwards
    if problems:
        raise problems[0]
    return len(running)


def _note_end(site: Site, tuning: Tuning, trial: Trial) -> None:
    run = get_run(site, driver_of(tuning), trial.run_id or "")
    if not run.state.is_final:
        return
    value, reason = _measured(site, tuning, run)
    state = TrialState.FAILED if value is None else TrialState.SUCCEEDED
    check_trial_transition(trial.state, state)
    now = site.clock.now()
    change = store.TrialChange(state=state, value=value, reason=reason, finished_at=now)
    with site.database.write() as connection:
        if store.change_trial(connection, tuning, trial, change):
            data = {"trial": trial.number, "run_id": run.id, "value": value, "reason": reason}
            _tell(connection, site, tuning, f"trial.{state.value}", data)


def _measured(site: Site, tuning: Tuning, run: Run) -> tuple[float | None, str | None]:
    """The objective of an ended run, or why it has none."""
    if run.state is not State.SUCCEEDED:
        why = run.failure.message if run.failure is not None else ""
        return None, f"the run is {run.state.value}: {why}".removesuffix(": ")
    try:
        return objective_value(site, tuning.namespace_id, run.id, tuning.objective), None
    except (NotFound, InvalidInput) as problem:
        return None, problem.message


def _claim_next(site: Site, namespace_id: str, tuning_id: str) -> Trial | None:
    """The next trial, claimed by us; None when there is no room, on the disk either, or no trial is left."""
    seen = tuning_in(site, namespace_id, tuning_id)
    if not _has_room(seen) or Ballast(home=site.home).look().state is StorageState.FULL:
        return None
    number = len(seen.trials)
    parameters = suggest(seen, number)
    with site.database.write() as connection:
        now_there = store.tuning_by_id(connection, namespace_id, tuning_id, lock=True)
        if now_there is None or not _has_room(now_there) or len(now_there.trials) != number:
            return None  # another driver was quicker
        trial = _claimed(number, parameters, site.clock.now())
        store.insert_trial(connection, seen, trial)
    return trial


def _has_room(tuning: Tuning) -> bool:
    busy = sum(trial.state in (TrialState.CLAIMED, TrialState.RUNNING) for trial in tuning.trials)
    open_state = tuning.state is TuningState.RUNNING
    return open_state and busy < tuning.parallel and len(tuning.trials) < tuning.trials_wanted


def _claimed(number: int, parameters: dict[str, object], now: datetime) -> Trial:
    return Trial(
        number=number,
        state=TrialState.CLAIMED,
        parameters=parameters,
        run_id=None,
        value=None,
        reason=None,
        claimed_until=now + CLAIM_LASTS,
        started_at=now,
        finished_at=None,
        generation=1,
    )


def _take_over(site: Site, tuning: Tuning, trial: Trial) -> None:
    """Start a trial whose driver went away; its run may be there already."""
    change = store.TrialChange(state=TrialState.CLAIMED, claimed_until=site.clock.now() + CLAIM_LASTS)
    with site.database.write() as connection:
        if not store.change_trial(connection, tuning, trial, change):
            return
    taken = next(one for one in tuning_in(site, tuning.namespace_id, tuning.id).trials if one.number == trial.number)
    known = list_runs(site, driver_of(tuning), filters={"name": run_name(tuning, trial)}, page_size=1).items
    _start(site, tuning, taken, known[0] if known else None)


def _start(site: Site, tuning: Tuning, trial: Trial, run: Run | None = None) -> None:
    """Submit the run of a trial that we claimed, unless it is there, and note it."""
    if run is None:
        request = RunRequest(
            pipeline=_pipeline(site, tuning),
            parameters={**tuning.parameters, **trial.parameters},
            name=run_name(tuning, trial),
            experiment=tuning.experiment,
            origin={**tuning.origin, "tuning_id": tuning.id, "trial": trial.number},
        )
        try:
            run = submit_run(site, driver_of(tuning), request)
        except InvalidInput as problem:  # it would be refused again and again
            _give_up(site, tuning, trial, problem)
            return
    check_trial_transition(trial.state, TrialState.RUNNING)
    with site.database.write() as connection:
        store.change_trial(connection, tuning, trial, store.TrialChange(state=TrialState.RUNNING, run_id=run.id))


def _give_up(site: Site, tuning: Tuning, trial: Trial, problem: InvalidInput) -> None:
    check_trial_transition(trial.state, TrialState.FAILED)
    reason = f"the run was refused: {problem.message}"
    change = store.TrialChange(state=TrialState.FAILED, reason=reason, finished_at=site.clock.now())
    with site.database.write() as connection:
        if store.change_trial(connection, tuning, trial, change):
            data = {"trial": trial.number, "run_id": None, "value": None, "reason": reason}
            _tell(connection, site, tuning, "trial.failed", data)


def _close_if_done(site: Site, namespace_id: str, tuning_id: str) -> None:
    tuning = tuning_in(site, namespace_id, tuning_id)
    ended = (TrialState.SUCCEEDED, TrialState.FAILED, TrialState.CANCELLED)
    if len(tuning.trials) < tuning.trials_wanted or any(trial.state not in ended for trial in tuning.trials):
        return
    best = tuning.best
    state = TuningState.FAILED if best is None else TuningState.SUCCEEDED
    if tuning.state is not TuningState.RUNNING:
        return
    check_tuning_transition(tuning.state, state)
    with site.database.write() as connection:
        if store.close_tuning(connection, tuning, state, site.clock.now()):
            data = {"best_trial": best and best.number, "run_id": best and best.run_id, "value": best and best.value}
            _tell(connection, site, tuning, f"tuning.{state.value}", data)


def _pipeline(site: Site, tuning: Tuning) -> Pipeline:
    with site.database.read() as connection:
        text = read_spec(connection, tuning.pipeline_digest, namespace_id=tuning.namespace_id)
    return load_pipeline(text, place=f"tuning {tuning.id}")


def driver_of(tuning: Tuning) -> Actor:
    """Whoever started the tuning: the runs are theirs."""
    return Actor(person=tuning.created_by, namespace_id=tuning.namespace_id, roles=frozenset({Role.CONTRIBUTOR}))


def run_name(tuning: Tuning, trial: Trial) -> str:
    """The name of a trial's run; no other run has it."""
    return f"{tuning.name}-{tuning.id[-12:]}-trial-{trial.number}"


def _tell(connection: Connection, site: Site, tuning: Tuning, kind: str, data: Mapping[str, object]) -> None:
    append_event(
        connection,
        site.clock,
        namespace_id=tuning.namespace_id,
        kind=kind,
        subject_id=tuning.id,
        data=dict(data),
        created_by=tuning.created_by,
    )
