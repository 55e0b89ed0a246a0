"""Why an attempt failed, in words: from how it ended, what our step runtime wrote, and the end of its log."""

from __future__ import annotations

import signal
from pathlib import Path

from tidemill.base.ballast import Ballast, StorageState, is_no_space
from tidemill.base.errors import StorageFull, TidemillError
from tidemill.base.home import Home
from tidemill.engine.active import Active
from tidemill.engine.launchers import Exited
from tidemill.engine.model import Failure
from tidemill.engine.step import read_json_file

TAIL_LINES = 20
_TAIL_BYTES = 64 << 10
_LINE_CHARACTERS = 2_000
_FAILURE_FILE_BYTES = 1 << 20
_NO_SPACE = ("No space left on device", "Disk quota exceeded", "disk is full")
_NO_SPACE_LINES = 5
_NO_SPACE_SIGNALS = (None, signal.SIGBUS)  # the latter for a page of a mapped file that has no block


def log_tail(log: Path) -> tuple[str, ...]:
    """The last lines of a log, each cut to a length that can be shown."""
    try:
        with open(log, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            data = file.read()
    except FileNotFoundError:
        return ()
    lines = data.decode("utf-8", "replace").replace("\0", "\\0").splitlines()
    return tuple(line[:_LINE_CHARACTERS] for line in lines[-TAIL_LINES:])


def failure_of_exit(exited: Exited, active: Active, *, run_id: str, home: Home) -> Failure:
    """Why a step that did not end with status 0 failed."""
    task = active.node.path
    tail = log_tail(active.log)
    try:
        said = read_json_file(active.folder.failure_file, limit_bytes=_FAILURE_FILE_BYTES) or {}
    except ValueError:  # the step was cut off while it wrote
        said = {}
    if isinstance(said.get("message"), str):
        line = said.get("line")
        is_full = said.get("error") == StorageFull.code
        remedy = f"correct it and run again: what finished is kept; its log: tidemill runs logs {run_id}"
        return Failure(
            message=_no_space(said["message"], home) if is_full else said["message"],
            error=StorageFull.code if is_full else None,
            task=task,
            notebook=_text(said.get("notebook")),
            cell=_text(said.get("cell")),
            line=line if isinstance(line, int) else None,
            traceback=_text(said.get("traceback")),
            log_tail=tail,
            remedy=_when_there_is_room(run_id) if is_full else remedy,
        )
    how = _how(exited, tail)
    if exited.signal in _NO_SPACE_SIGNALS and _has_met_a_full_disk(tail, home):
        remedy = _when_there_is_room(run_id)
        return Failure(message=_no_space(how, home), error=StorageFull.code, task=task, log_tail=tail, remedy=remedy)
    return Failure(message=how, task=task, log_tail=tail, remedy=f"tidemill runs resume {run_id}")


def failure_of_error(problem: TidemillError | OSError, *, task: str, run_id: str) -> Failure:
    """The failure that an error around an attempt makes of it: of our own, or of the file system."""
    if isinstance(problem, StorageFull) or is_no_space(problem):
        place, said = _told(problem)
        return Failure(
            message=f"no space left: {place}{said}",
            error=StorageFull.code,
            task=task,
            remedy=_when_there_is_room(run_id),
        )
    if isinstance(problem, OSError):
        return Failure(
            message=f"the files of the step cannot be handled: {problem}",
            task=task,
            remedy=f"tidemill runs resume {run_id}",
        )
    place, said = _told(problem)
    return Failure(
        message=place + said,
        error=problem.code,
        task=task,
        remedy=problem.remedy or f"tidemill runs resume {run_id}",
    )


def _told(problem: TidemillError | OSError) -> tuple[str, str]:
    """The place of an error, as it stands before what it says, and what it says."""
    if isinstance(problem, OSError):
        return "", str(problem)
    return f"{problem.place}: " if problem.place else "", problem.message


def _has_met_a_full_disk(tail: tuple[str, ...], home: Home) -> bool:
    """True when the last words of a program say so, or nothing says why it failed while the disk is full.

    A program that finds no room often finds none for its last words, either.
    """
    if any(words in line for line in tail[-_NO_SPACE_LINES:] for words in _NO_SPACE):
        return True
    ballast = Ballast(home=home)
    return ballast.look().state is StorageState.FULL or ballast.is_out_of_room()


def _no_space(said: str, home: Home) -> str:
    return f"no space left on the disk of {home.path}: {said}"


def _when_there_is_room(run_id: str) -> str:
    return f"free some space, then tidemill runs resume {run_id}: what finished is kept"


def failure_of_timeout(seconds: float, *, task: str, run_id: str, log: Path) -> Failure:
    """The failure of a step that took too long."""
    return Failure(
        message=f"the step took longer than its {seconds:g} s and was ended",
        task=task,
        log_tail=log_tail(log),
        remedy=f"tidemill runs resume {run_id}",
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:100_000]


def _how(exited: Exited, tail: tuple[str, ...]) -> str:
    if exited.lost is not None:
        return exited.lost
    if exited.signal is not None:
        name = signal.Signals(exited.signal).name if exited.signal in set(signal.Signals) else str(exited.signal)
        if exited.signal == signal.SIGKILL:
            return "the step was killed (SIGKILL): the machine was out of memory, or somebody killed it"
        if exited.signal == signal.SIGXCPU:
            return "the step used more CPU time than its limit (SIGXCPU)"
        return f"the step was ended by {name}"
    last = next((line.strip() for line in reversed(tail) if line.strip()), "")
    return f"the step ended with status {exited.status}" + (f": {last[:300]}" if last else "")
