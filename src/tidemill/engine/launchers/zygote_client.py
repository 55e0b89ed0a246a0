"""The launcher's side of one zygote: its process, its socket, its messages."""

from __future__ import annotations

import os
import socket
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tidemill.base.ballast import is_no_space
from tidemill.base.errors import StorageFull, Unavailable
from tidemill_runtime.fork import wire

_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from tidemill_runtime.fork.zygote import main; control = int(sys.argv.pop(1)); "
    "sys.path.extend(sys.argv[1:]); del sys.argv[1:]; main(control)"
)
_END_SECONDS = 5.0


class ZygoteClient:
    """A running zygote; raises `Unavailable` when it cannot be started, `StorageFull` when that is for want of room."""

    def __init__(
        self,
        *,
        python: Path,
        runtime: Path,
        environment: Mapping[str, str],
        log: Path,
        late_paths: Sequence[str] = (),
    ) -> None:
        ours, theirs = socket.socketpair()
        self._control = ours
        self._reader = wire.Reader(ours)
        self.programs: set[str] = set()
        self.imported: set[str] = set()
        self._batches: deque[list[str]] = deque()
        self.is_lost = False
        try:
            with theirs, open(log, "ab") as output:
                os.set_inheritable(theirs.fileno(), True)
                self._process = subprocess.Popen(
                    [str(python), "-c", _START, str(runtime), str(theirs.fileno()), *late_paths],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=dict(environment),
                    pass_fds=[theirs.fileno()],
                    cwd="/",
                )
        except OSError as problem:
            ours.close()
            if is_no_space(problem):
                raise StorageFull("has no room for a line", place=str(log), remedy="free some space") from problem
            raise Unavailable(
                f"the Python of a zygote cannot be started: {problem.strerror}",
                place=str(python),
                remedy="remove the venv folder: it is made again",
            ) from problem

    def fileno(self) -> int:
        """For a selector."""
        return self._control.fileno()

    @property
    def pid(self) -> int:
        """The zygote's process."""
        return self._process.pid

    def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> bool:
        """Send a message; False when the zygote is gone."""
        try:
            wire.send_message(self._control, message, descriptors)
        except OSError:
            self.is_lost = True
            return False
        return True

    def preload(self, modules: Sequence[str]) -> None:
        """Have it import modules that it has not been asked for yet; programs started later find them."""
        wanted = [name for name in dict.fromkeys(modules) if name not in self.imported]
        if wanted:
            self.imported.update(wanted)
            self._batches.append(wanted)
            self.send({"op": "import", "modules": wanted})

    def batch_done(self) -> list[str]:
        """The modules of the oldest import that was not answered yet."""
        return self._batches.popleft()

    @property
    def importing(self) -> list[str]:
        """The modules of the oldest import that was not answered yet; none when all were."""
        return self._batches[0] if self._batches else []

    def receive(self) -> list[dict[str, Any]]:
        """The messages that have come; sets `is_lost` at the end of the zygote."""
        try:
            return [message for message, _ in self._reader.receive()]
        except wire.Closed:
            self.is_lost = True
            return []

    def kill(self) -> None:
        """SIGKILL, for one that hangs; its programs die with it."""
        self._process.kill()

    def close(self) -> None:
        """End it, and with it all its programs; returns when it is gone."""
        self._control.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
