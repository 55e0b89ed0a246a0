"""The guards of concurrent workers. Each named test goes red when its guard is off.

To see it: `ENGINE_GUARDS_OFF=fencing pytest tests/unit/engine/test_guards.py`, or `claims`.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from tidemill.base.clock import SystemClock
from tidemill.base.errors import StorageFull
from tidemill.base.ids import Uuid7Ids
from tidemill.base.process import start_ticks, this_host
from tidemill.base.site import Site
from tidemill.engine import State, claims, driver, get_run, list_attempts, worker
from tidemill.engine.changes import write_changes
from tidemill.engine.claims import Candidate, Guards, Watch
from tidemill.engine.launchers.memory import Hang
from tidemill.engine.store import run_rows, worker_rows
from tidemill.engine.testing import Step, pipeline_of

OFF = set(filter(None, os.environ.get("ENGINE_GUARDS_OFF", "").split(",")))
GUARDS = Guards(fencing="fencing" not in OFF, claims="claims" not in OFF)


def _hold(bench: Any, guards: Guards) -> tuple[Any, Any]:
    """A worker that holds a run whose step hangs."""
    bench.programs.programs["only"] = lambda _: Hang()
    run = bench.submit(pipeline_of(Step(name="only")))
    worker = bench.worker(guards=guards)
    worker._claim(run.id)
    assert bench.programs.calls == ["only"]
    return run, worker


def _open(bench: Any) -> Candidate:
    with bench.site.database.read() as connection:
        (candidate,) = claims.open_runs(connection, run_id=None, but_not=[], limit=10)
    return candidate


def _finish_late(bench: Any, worker: Any) -> None:
    """Somebody else takes the run; then the step of the first worker ends."""
    assert claims.take_claim(bench.site, _open(bench), "another-worker") is not None
    launcher = worker._launcher
    launcher.finish(launcher.launched[0].key, 0)
    for _ in range(3):
        worker._turn(wait_seconds=0.0)


def test_fencing_a_worker_that_lost_its_run_cannot_write_to_it(bench: Any) -> None:
    run, worker = _hold(bench, GUARDS)
    _finish_late(bench, worker)
    assert bench.states(run) == {"only": State.RUNNING}
    assert get_run(bench.site, bench.actor, run.id).state is State.RUNNING
    assert worker._drivers == {}


def test_without_fencing_it_would_overwrite_what_the_new_holder_does(bench: Any) -> None:
    run, worker = _hold(bench, Guards(fencing=False))
    _finish_late(bench, worker)
    assert bench.states(run) == {"only": State.SUCCEEDED}


def test_claims_a_run_that_a_live_worker_holds_is_not_taken_by_another(bench: Any) -> None:
    run, _first = _hold(bench, GUARDS)
    second = bench.worker(guards=GUARDS)
    for _ in range(3):
        second._claim(run.id)
    assert bench.programs.calls == ["only"]


def test_without_claims_the_step_would_run_twice(bench: Any) -> None:
    run, _first = _hold(bench, GUARDS)
    bench.worker(guards=Guards(claims=False))._claim(run.id)
    assert bench.programs.calls == ["only", "only"]


def test_of_two_workers_that_saw_a_run_free_one_gets_it(bench: Any) -> None:
    bench.submit(pipeline_of(Step(name="only")))
    seen = _open(bench)
    taken = [claims.take_claim(bench.site, seen, name) for name in ("one", "two")]
    assert [claim is not None for claim in taken] == [True, False]


def test_a_run_of_a_worker_that_has_ended_is_taken_up_where_it_was(bench: Any) -> None:
    run, first = _hold(bench, GUARDS)
    with bench.site.database.write() as connection:  # as after kill -9: the row names a process that is gone
        connection.execute(worker_rows.update().values(start_ticks=(start_ticks(os.getpid()) or 0) + 1))
    bench.programs.programs["only"] = lambda _: 0
    assert bench.worker().run_until_done(run.id) is State.SUCCEEDED
    attempts = list_attempts(bench.site, bench.actor, run.id)
    assert [one.state for one in attempts] == [State.CANCELED, State.SUCCEEDED]
    assert attempts[0].failure is not None
    _ = first


class _StillClock(SystemClock):
    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic_seconds(self) -> float:
        return self.seconds


def _row(**changed: Any) -> Any:
    return {
        "id": "w",
        "host": this_host(),
        "pid": os.getpid(),
        "start_ticks": start_ticks(os.getpid()),
        "beat": 1,
        "stopped_at": None,
        **changed,
    }


@pytest.fixture
def watch(site: Site) -> tuple[Watch, _StillClock]:
    """A watch with a lease of 10 s on a clock that is moved by hand."""
    clock = _StillClock()
    return Watch(Site(home=site.home, database=site.database, clock=clock, ids=Uuid7Ids(clock)), 10.0), clock


def test_a_worker_is_gone_when_its_count_stands_still_for_a_lease(watch: tuple[Watch, _StillClock]) -> None:
    observer, clock = watch
    assert not observer.is_gone(_row())
    clock.seconds += 9
    assert not observer.is_gone(_row())
    assert not observer.is_gone(_row(beat=2))
    clock.seconds += 9
    assert not observer.is_gone(_row(beat=2))
    clock.seconds += 2
    assert observer.is_gone(_row(beat=2))


def test_a_worker_of_this_machine_is_gone_at_once_when_its_process_is(watch: tuple[Watch, _StillClock]) -> None:
    observer, _ = watch
    assert observer.is_gone(_row(start_ticks=1))
    assert not observer.is_gone(_row(start_ticks=1, host="elsewhere"))
    assert observer.is_gone(_row(host="elsewhere", stopped_at="2030"))


def test_a_commit_of_which_nobody_knows_is_settled_by_reading_the_run_back(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []

    def uncertain(*given: Any) -> None:
        write_changes(*given)
        writes.append(1)
        if len(writes) == 2:  # it was written, and the caller is told that it was not
            raise StorageFull("the database could not grow")

    monkeypatch.setattr(driver, "write_changes", uncertain)
    monkeypatch.setattr(worker, "_FAULT_PAUSE_SECONDS", 0.01)
    run = bench.run(pipeline_of(Step(name="first"), Step(name="second", after=["first"])))
    assert run.state is State.SUCCEEDED
    assert bench.programs.calls.count("first") == 1
    succeeded = [one for one in list_attempts(bench.site, bench.actor, run.id) if one.state is State.SUCCEEDED]
    assert len(succeeded) == 2


def test_a_run_on_which_the_engine_itself_fails_is_paused_and_the_others_go_on(bench: Any) -> None:
    bad = bench.submit(pipeline_of(Step(name="only"), name="bad"))
    good = bench.submit(pipeline_of(Step(name="other"), name="good"))
    with bench.site.database.write() as connection:
        connection.execute(
            run_rows.update().where(run_rows.c.id == bad.id).values(parameters=[1], artifacts={"x": "y"})
        )
    worker = bench.worker()
    worker._claim(None)
    assert worker.run_until_done(good.id) is State.SUCCEEDED
    for _ in range(3):
        worker._pauses.clear()
        worker._claim(bad.id)
    paused = get_run(bench.site, bench.actor, bad.id)
    assert paused.state is State.PAUSED
    assert paused.failure is not None
    assert "failed 3 times" in paused.failure.message
