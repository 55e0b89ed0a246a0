"""How a predictor becomes a process: what the host asks of a starter, and the starter that spawns."""

from __future__ import annotations

import json
import socket
import subprocess
from typing import Protocol

from tidemill.base.errors import Unavailable
from tidemill.serving.host.contract import Launch


class Child(Protocol):
    """A predictor's process from the moment it was asked for; ended means gone, with nobody left on its socket."""

    @property
    def pid(self) -> int | None:
        """None while there is no process yet."""

    @property
    def is_lost(self) -> bool:
        """True when it ended only because who forked it did: no fault of its own."""

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None until it has ended."""

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Wait for the end and give its status; raises TimeoutError."""

    def terminate(self) -> None:
        """Send SIGTERM: drain. One that is no process yet will never be one."""

    def kill(self) -> None:
        """Send SIGKILL."""


class Starter(Protocol):
    """Starts predictors; used by any thread.

    A predictor gets the listening socket, which stays its host's, and a lifeline: it ends when this process does.
    """

    def start(self, launch: Launch, listener: socket.socket) -> Child:
        """Start it and return at once. Raises `Unavailable`."""

    def close(self) -> None:
        """Let go of what outlives a predictor; all of them have ended."""


class Spawner:
    """Starts each predictor as `python -m tidemill_runtime.predict`, its standard input being the lifeline."""

    def start(self, launch: Launch, listener: socket.socket) -> Child:
        told = {**argument_of(launch), "fd": listener.fileno(), "lifeline": True}
        try:
            with launch.log.open("ab") as output:
                process = subprocess.Popen(
                    [str(launch.python), "-m", "tidemill_runtime.predict", json.dumps(told)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(listener.fileno(),),
                    env=launch.environment,
                    cwd=launch.argument["package"],
                    start_new_session=True,
                )
        except OSError as problem:
            raise Unavailable(f"the predictor cannot be started: {problem}", place=str(launch.python)) from problem
        return _Spawned(process)

    def close(self) -> None:
        """Nothing is kept."""


class _Spawned:
    """A `Child` that is a process of our own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def is_lost(self) -> bool:
        return False

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout_seconds: float | None = None) -> int:
        try:
            status = self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired as problem:
            raise TimeoutError from problem
        if self._process.stdin is not None:
            self._process.stdin.close()
        return status

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def argument_of(launch: Launch) -> dict[str, object]:
    """The argument of `tidemill_runtime.predict`, but for the descriptors."""
    return {**launch.argument, "heartbeat": str(launch.heartbeat)}
