"""DVC in a child process of its own environment, kept warm: its command line takes a second, a request 0.02 s."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidemill.base.errors import Unavailable
from tidemill.data.complaints import raise_error, raise_warnings
from tidemill.data.model import DataState, Transfer

_PROGRAM = Path(__file__).with_name("child.py")
_CLOSE_SECONDS = 5.0
_NOT_PASSED_ON = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP"})
_STATES = {"deleted": DataState.MISSING, "not in cache": DataState.CURRENT}


class WarmDvc:
    """The `Dvc` of a site: one child, started at the first call, for one request at a time.

    `find_python` gives the Python of DVC's environment and may take its time; what DVC prints goes to `log`.
    """

    def __init__(self, find_python: Callable[[], Path], log: Path) -> None:
        self._find_python = find_python
        self._log = log
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def initialise(self, root: Path, remote: str) -> None:
        """See `Dvc`."""
        self._ask("initialise", root, remote=remote)

    def add(self, root: Path, path: Path) -> None:
        """See `Dvc`."""
        self._ask("add", root, path=str(path))

    def push(self, root: Path, dvc_files: Sequence[Path]) -> Transfer:
        """See `Dvc`."""
        reply = self._ask("push", root, targets=_targets(root, dvc_files))
        raise_warnings(reply["warnings"], root)
        return Transfer(file_count=reply["file_count"])

    def pull(self, root: Path, dvc_files: Sequence[Path], *, force: bool) -> Transfer:
        """See `Dvc`."""
        reply = self._ask("pull", root, targets=_targets(root, dvc_files), force=force)
        return Transfer(file_count=reply["file_count"], changed_paths=tuple(reply["changed_paths"]))

    def states(self, root: Path, dvc_files: Sequence[Path]) -> dict[Path, DataState]:
        """See `Dvc`."""
        found = self._ask("states", root, targets=_targets(root, dvc_files))["states"]
        return {path: _state(found[target]) for path, target in zip(dvc_files, _targets(root, dvc_files), strict=True)}

    def close(self) -> None:
        """See `Dvc`; a child that is still at work is ended."""
        with self._lock:
            self._end()

    def _ask(self, operation: str, root: Path, **fields: Any) -> dict[str, Any]:
        line = json.dumps({"operation": operation, "root": str(root), **fields}).encode() + b"\n"
        with self._lock:
            child = self._running()
            assert child.stdin is not None
            assert child.stdout is not None
            try:
                child.stdin.write(line)
                child.stdin.flush()
                answer = child.stdout.readline()
            except BaseException as problem:  # also an interrupt: its late answer must not be taken for the next one
                self._end()
                if isinstance(problem, BrokenPipeError):
                    raise self._gone() from problem
                raise
            if not answer.endswith(b"\n"):
                self._end()
                raise self._gone()
        reply: dict[str, Any] = json.loads(answer)
        if "error" in reply:
            raise_error(reply["error"], reply["warnings"], root)
        return reply

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            self._log.parent.mkdir(parents=True, exist_ok=True)
            environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
            with self._log.open("ab") as log:
                self._child = subprocess.Popen(
                    # isolated: the folder of the program, with modules named like others', is not on its path
                    [str(self._find_python()), "-I", "-X", "utf8", str(_PROGRAM)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd="/",
                    env={**environment, "DVC_NO_ANALYTICS": "1", "GIT_TERMINAL_PROMPT": "0"},
                    start_new_session=True,  # an interrupt of ours must not end it in the middle of a write
                )
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(BrokenPipeError):  # it has ended already
            child.stdin.close()
        try:
            child.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            child.terminate()
            try:
                child.wait(_CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        child.stdout.close()

    def _gone(self) -> Unavailable:
        return Unavailable("DVC ended in the middle of its work", place=str(self._log), remedy="try again")


def _targets(root: Path, dvc_files: Sequence[Path]) -> list[str]:
    """Names below the root, where the child works: DVC takes a colon in a target for something else."""
    return [path.relative_to(root).as_posix() for path in dvc_files]


def _state(changes: Sequence[str]) -> DataState:
    """The worst of what DVC says of the outputs of one `.dvc` file."""
    states = {_STATES.get(change, DataState.CHANGED) for change in changes}
    for state in (DataState.CHANGED, DataState.MISSING):
        if state in states:
            return state
    return DataState.CURRENT
