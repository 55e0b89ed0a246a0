"""Workers that are killed or paused in the middle of a run: no step completes twice, nothing is overwritten."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidemill.access import Actor, Role, ensure_namespace
from tidemill.artifacts import store as artifact_tables
from tidemill.base.events import events_after
from tidemill.base.site import Site
from tidemill.engine import (
    Run,
    RunRequest,
    State,
    WorkerOptions,
    get_run,
    list_attempts,
    list_tasks,
    open_worker,
    store,
    submit_run,
)
from tidemill.engine.testing import Step, pipeline_of
from tidemill_runtime.fork import kernel

WORKER = """
import sys, threading
from pathlib import Path
from tidemill.base.clock import SystemClock
from tidemill.base.database import Database, sqlite_url
from tidemill.base.home import open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.site import Site
from tidemill.engine import WorkerOptions, open_worker
clock = SystemClock()
home = open_home(Path(sys.argv[1]))
site = Site(home=home, database=Database(sqlite_url(home.database)), clock=clock, ids=Uuid7Ids(clock))
options = WorkerOptions(slots=4, poll_seconds=0.02, beat_seconds=0.1, lease_seconds=float(sys.argv[2]))
open_worker(site, options).serve(threading.Event())
"""
OPTIONS = WorkerOptions(slots=4, poll_seconds=0.02, beat_seconds=0.1, lease_seconds=1.0, grace_seconds=0.5)


def wait_until(condition: Callable[[], bool], within_seconds: float = 20.0) -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.01)


@pytest.fixture
def actor(site: Site) -> Actor:
    """A person who may run pipelines."""
    for tables in (store, artifact_tables):
        tables.metadata.create_all(site.database.engine)
    namespace = ensure_namespace(site, "default", created_by="test")
    return Actor(person="alan", namespace_id=namespace.id, roles=frozenset({Role.CONTRIBUTOR}))


@pytest.fixture
def start_worker(site: Site, actor: Actor) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts workers as processes of their own; kills those that are left."""
    started: list[subprocess.Popen[bytes]] = []

    def start(lease_seconds: float = 1.0) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", WORKER, str(site.home.path), str(lease_seconds)]
        started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def _submit(site: Site, actor: Actor, *steps: Step) -> Run:
    return submit_run(site, actor, RunRequest(pipeline=pipeline_of(*steps), caching=False))


def _chain(folder: Path, count: int, *, slow: int) -> list[Step]:
    """Steps that note each start and end of their bodies; one waits until the file `go` is there."""
    steps = []
    for number in range(count):
        wait = f"while ! test -e {folder}/go; do sleep 0.02; done;" if number == slow else ""
        script = f"echo $$ >> {folder}/started-{number}; {wait} echo end >> {folder}/ended-{number}"
        after = [f"step{number - 1}"] if number else []
        steps.append(Step(name=f"step{number}", command=["sh", "-c", script], after=after))
    return steps


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _completions(site: Site, actor: Actor) -> list[Any]:
    with site.database.read() as connection:
        found = events_after(connection, namespace_id=actor.namespace_id, number=0, kinds=["task.succeeded"])
    return [one.data["task"] for one in found]


def test_kill_9_of_a_worker_and_another_goes_on_where_it_was(
    site: Site, actor: Actor, start_worker: Any, tmp_path: Path
) -> None:
    run = _submit(site, actor, *_chain(tmp_path, 4, slow=2))
    first = start_worker()
    wait_until(lambda: bool(_lines(tmp_path / "started-2")))
    orphan = int(_lines(tmp_path / "started-2")[0])
    first.kill()
    first.wait()
    before = time.monotonic()
    (tmp_path / "go").touch()
    worker = open_worker(site, OPTIONS)
    try:
        assert worker.run_until_done(run.id) is State.SUCCEEDED
    finally:
        worker.close()
    assert time.monotonic() - before < 10
    assert kernel.state_of(orphan) in ("", "Z", "X")
    assert [len(_lines(tmp_path / f"started-{number}")) for number in range(4)] == [1, 1, 2, 1]
    assert sorted(_completions(site, actor)) == ["step0", "step1", "step2", "step3"]
    states = [one.state for one in list_attempts(site, actor, run.id)]
    assert states.count(State.SUCCEEDED) == 4
    assert states.count(State.CANCELED) == 1


@pytest.mark.parametrize("seed", range(6))
def test_kill_9_at_any_moment_completes_each_step_once(site: Site, actor: Actor, start_worker: Any, seed: int) -> None:
    steps = [
        Step(name=f"step{number}", command=["sleep", "0.03"], after=[f"step{number - 1}"] if number else [])
        for number in range(6)
    ]
    runs = [_submit(site, actor, *steps) for _ in range(3)]
    done_at_kill = []
    for round_number in range(3):
        before = len(_completions(site, actor))
        process = start_worker()
        wait_until(lambda before=before: len(_completions(site, actor)) > before)  # type: ignore[misc]
        time.sleep(0.002 + 0.009 * ((seed * 3 + round_number) % 7))  # a moment that nobody chose
        process.kill()
        process.wait()
        done_at_kill.append(len(_completions(site, actor)))
    assert any(0 < done < 18 for done in done_at_kill), "no kill came in the middle"
    worker = open_worker(site, OPTIONS)
    try:
        assert {worker.run_until_done(run.id) for run in runs} == {State.SUCCEEDED}
    finally:
        worker.close()
    assert len(_completions(site, actor)) == 18, f"seed {seed}"
    for run in runs:
        assert [task.state for task in list_tasks(site, actor, run.id)] == [State.SUCCEEDED] * 6
        succeeded = [one.task_id for one in list_attempts(site, actor, run.id) if one.state is State.SUCCEEDED]
        assert len(succeeded) == len(set(succeeded)) == 6


def _is_paused_between_transactions(pid: int, site: Site) -> bool:
    """Stop a process; one that was stopped with the database locked would stop everybody: it goes on."""
    os.kill(pid, signal.SIGSTOP)
    connection = sqlite3.connect(site.home.database, timeout=0.2, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        return True
    except sqlite3.OperationalError:
        os.kill(pid, signal.SIGCONT)
        return False
    finally:
        connection.close()


def test_a_worker_that_was_paused_past_its_lease_overwrites_nothing(
    site: Site, actor: Actor, start_worker: Any, tmp_path: Path
) -> None:
    run = _submit(site, actor, *_chain(tmp_path, 2, slow=0))
    first = start_worker(lease_seconds=1.0)
    wait_until(lambda: bool(_lines(tmp_path / "started-0")))
    wait_until(lambda: _is_paused_between_transactions(first.pid, site))
    (tmp_path / "go").touch()
    worker = open_worker(site, OPTIONS)
    try:
        assert worker.run_until_done(run.id) is State.SUCCEEDED  # after a lease of silence
    finally:
        worker.close()
    done = get_run(site, actor, run.id)
    attempts = list_attempts(site, actor, run.id)
    os.kill(first.pid, signal.SIGCONT)
    fresh = _submit(site, actor, Step(name="later", command=["true"]))
    wait_until(lambda: get_run(site, actor, fresh.id).state is State.SUCCEEDED)  # it lives on, and works
    assert get_run(site, actor, run.id) == done
    assert list_attempts(site, actor, run.id) == attempts
    assert sorted(_completions(site, actor)) == ["later", "step0", "step1"]


def test_a_step_whose_zygote_is_killed_is_started_again(site: Site, actor: Actor, tmp_path: Path) -> None:
    script = f"echo x >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) -gt 1 || kill -9 $PPID; sleep 0.2"
    run = _submit(site, actor, Step(name="only", command=["sh", "-c", script]))
    worker = open_worker(site, OPTIONS)
    try:
        assert worker.run_until_done(run.id) is State.SUCCEEDED
    finally:
        worker.close()
    attempts = list_attempts(site, actor, run.id)
    assert [one.state for one in attempts] == [State.CANCELED, State.SUCCEEDED]
    assert attempts[0].failure is not None
    assert "zygote" in attempts[0].failure.message


def test_two_workers_on_one_database_run_each_step_once(
    site: Site, actor: Actor, start_worker: Any, tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    folders = [tmp_path / str(number) for number in range(6)]
    for folder in folders:
        folder.mkdir()
        (folder / "go").touch()
    for _ in range(2):
        start_worker(lease_seconds=10.0)
    runs = [_submit(site, actor, *_chain(folder, 3, slow=0)) for folder in folders]
    wait_until(lambda: all(get_run(site, actor, run.id).state.is_final for run in runs))
    assert {get_run(site, actor, run.id).state for run in runs} == {State.SUCCEEDED}
    counts = [len(_lines(folder / f"started-{number}")) for folder in folders for number in range(3)]
    assert counts == [1] * 18
