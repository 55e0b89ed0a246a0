"""Why an attempt failed, in words: from how it ended, what our step runtime wrote, and the end of its log."""

from __future__ import annotations

import signal
from pathlib import Path

from tidemill.base.errors import TidemillError
from tidemill.engine.launchers import Exited
from tidemill.engine.model import Failure
from tidemill.engine.step import StepFolder, read_json_file

TAIL_LINES = 20
_TAIL_BYTES = 64 << 10
_LINE_CHARACTERS = 2_000
_FAILURE_FILE_BYTES = 1 << 20


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


def failure_of_exit(exited: Exited, *, task: str, run_id: str, folder: StepFolder, log: Path) -> Failure:
    """Why a step that did not end with status 0 failed."""
    remedy = f"tidemill runs resume {run_id}"
    tail = log_tail(log)
    try:
        said = read_json_file(folder.failure_file, limit_bytes=_FAILURE_FILE_BYTES) or {}
    except ValueError:  # the step was cut off while it wrote
        said = {}
    if isinstance(said.get("message"), str):
        line = said.get("line")
        return Failure(
            message=said["message"],
            task=task,
            notebook=_text(said.get("notebook")),
            cell=_text(said.get("cell")),
            line=line if isinstance(line, int) else None,
            traceback=_text(said.get("traceback")),
            log_tail=tail,
            remedy=f"correct it and run again: what finished is kept; its log: tidemill runs logs {run_id}",
        )
    return Failure(message=_how(exited, tail), task=task, log_tail=tail, remedy=remedy)


def failure_of_error(problem: TidemillError | OSError, *, task: str, run_id: str) -> Failure:
    """The failure that an error around an attempt makes of it: of our own, or of the file system."""
    if isinstance(problem, OSError):
        return Failure(
            message=f"the files of the step cannot be handled: {problem}",
            task=task,
            remedy=f"see that the disk has room, then tidemill runs resume {run_id}",
        )
    place = f"{problem.place}: " if problem.place else ""
    return Failure(
        message=place + problem.message, task=task, remedy=problem.remedy or f"tidemill runs resume {run_id}"
    )


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
