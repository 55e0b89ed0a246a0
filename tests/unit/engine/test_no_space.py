"""A step or a commit that finds no room ends with that reason and a remedy, and with no other step blamed for it."""

from __future__ import annotations

import errno
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tidemill.base.ballast import Ballast
from tidemill.base.errors import InvalidInput, StorageFull, Unavailable
from tidemill.base.home import Home, open_home
from tidemill.engine import State, driver, list_attempts, list_tasks, resume_run
from tidemill.engine import worker as worker_module
from tidemill.engine.active import Active
from tidemill.engine.changes import Batch, write_changes
from tidemill.engine.failures import failure_of_error, failure_of_exit
from tidemill.engine.launchers import Exited
from tidemill.engine.live import LogCap
from tidemill.engine.step import StepFolder
from tidemill.engine.testing import Step, pipeline_of
from tidemill_runtime.step.failure import failure_of, is_no_space

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home."""
    return open_home(tmp_path / "home")


class _Node:
    path = "train"


class _Attempt:
    """As much of an attempt as its failure is made of."""

    def __init__(self, home: Home, log: str, told: object = None) -> None:
        self.node = _Node()
        self.folder = StepFolder(root=home.work / "attempt")
        self.folder.outputs.mkdir(parents=True)
        self.log = home.logs / "train.log"
        self.log.write_text(log)
        if told is not None:
            self.folder.failure_file.write_text(json.dumps(told))


def _failure(home: Home, attempt: Any, exited: Exited) -> Any:
    active: Active = attempt
    return failure_of_exit(exited, active, run_id="r", home=home)


@pytest.mark.parametrize(
    "last", ["head: error writing: No space left on device", "OSError: [Errno 122] Disk quota exceeded: 'x'"]
)
def test_the_last_words_of_a_program_that_found_no_room_are_its_reason(home: Home, last: str) -> None:
    failure = _failure(home, _Attempt(home, f"begun\n{last}\n"), Exited(key="a", status=1))
    assert failure.error == "storage_full"
    assert failure.message.startswith(f"no space left on the disk of {home.path}: the step ended with status 1")
    assert failure.remedy == "free some space, then tidemill runs resume r: what finished is kept"


def test_words_of_long_ago_and_a_kill_are_no_full_disk(home: Home) -> None:
    log = "No space left on device\n" + "went on\n" * 10
    attempt = _Attempt(home, log)
    assert _failure(home, attempt, Exited(key="a", status=1)).error is None
    assert _failure(home, attempt, Exited(key="a", signal=signal.SIGKILL)).error is None


def test_without_a_word_the_disk_itself_is_asked(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = _Attempt(home, "")
    assert _failure(home, attempt, Exited(key="a", status=1)).error is None
    monkeypatch.setattr(Ballast, "is_out_of_room", lambda _self: True)
    for exited in (Exited(key="a", status=1), Exited(key="a", signal=signal.SIGBUS)):
        assert _failure(home, attempt, exited).error == "storage_full"
    assert _failure(home, attempt, Exited(key="a", signal=signal.SIGKILL)).error is None, "somebody killed it"


def test_what_a_cell_raised_is_believed_on_a_full_disk_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ballast, "is_out_of_room", lambda _self: True)
    told = {"message": "KeyError: 'x'", "notebook": "a.ipynb", "cell": 3, "line": 1}
    assert _failure(home, _Attempt(home, "", told), Exited(key="a", status=1)).error is None


def test_what_the_step_runtime_said_of_it_is_kept_with_its_cell(home: Home) -> None:
    try:
        try:
            raise FULL
        except OSError as problem:
            raise ValueError("cannot be stored") from problem
    except ValueError as problem:
        told = failure_of(problem, "a.ipynb", "train", 3).to_json()
    assert told["error"] == "storage_full"
    failure = _failure(home, _Attempt(home, "", told), Exited(key="a", status=1))
    assert (failure.error, failure.cell, failure.notebook) == ("storage_full", "3", "a.ipynb")
    assert "no space left on the disk of" in failure.message


def test_a_ring_of_exceptions_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__context__, two.__context__ = two, one
    assert not is_no_space(one)


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (FULL, "storage_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "storage_full"),
        (StorageFull("the disk has no room for an artifact", place="/blobs"), "storage_full"),
        (OSError(errno.EACCES, "Permission denied"), None),
        (InvalidInput("no JSON"), "invalid_input"),
        (Unavailable("no index"), "unavailable"),
    ],
)
def test_an_error_around_a_step_keeps_its_code(problem: Any, code: str | None) -> None:
    failure = failure_of_error(problem, task="train", run_id="r")
    assert failure.error == code
    assert ("no space left: " in failure.message) is (code == "storage_full")
    assert failure.remedy


def test_a_log_that_is_cut_on_a_full_disk_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 100)

    def refuse(*_given: Any) -> None:
        raise FULL

    monkeypatch.setattr(LogCap, "_cut", refuse)
    assert LogCap(log, 10).trim()


def _refuses(batch: Batch) -> bool:
    return any(one.state is State.SUCCEEDED and one.node.path == "second" for one in batch.attempts)


def test_a_completion_that_never_fits_ends_its_run_which_can_be_resumed(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(site: Any, graph: Any, batch: Batch, guards: Any) -> None:
        if _refuses(batch):
            raise StorageFull("the disk is full, so the database cannot grow", place="state.db")
        write_changes(site, graph, batch, guards)

    monkeypatch.setattr(worker_module, "_FAULT_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(driver, "write_changes", full)
    run = bench.run(pipeline_of(Step(name="first"), Step(name="second", after=["first"])))
    assert run.state is State.FAILED
    assert run.failure is not None
    assert (run.failure.error, run.failure.task) == ("storage_full", "second")
    assert "no space left: state.db: the disk is full" in run.failure.message
    assert bench.programs.calls == ["first", "second", "second", "second"]
    assert [one.state for one in list_attempts(bench.site, bench.actor, run.id)].count(State.SUCCEEDED) == 1
    monkeypatch.setattr(driver, "write_changes", write_changes)
    resume_run(bench.site, bench.actor, run.id)
    assert bench.worker().run_until_done(run.id) is State.SUCCEEDED
    assert {task.state for task in list_tasks(bench.site, bench.actor, run.id)} == {State.SUCCEEDED}
    assert bench.programs.calls.count("first") == 1
