"""A launcher without processes, for tests: programs are Python functions of the request."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tidemill.engine.launchers.model import Exited, LaunchRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """What a program gives back that goes on until it is killed or finished by hand; `ignores_term` needs SIGKILL."""

    ignores_term: bool = False


Behaviour = Callable[[LaunchRequest], int | Hang]


class MemoryLauncher:
    """A `Launcher` whose programs are calls of `behaviour`: an exit status, or a `Hang`."""

    def __init__(self, behaviour: Behaviour = lambda _request: 0) -> None:
        self.behaviour = behaviour
        self.launched: list[LaunchRequest] = []
        self._hanging: dict[str, Hang] = {}
        self._ended: list[Exited] = []
        self._wake = threading.Event()

    def launch(self, request: LaunchRequest) -> None:
        """See `Launcher`."""
        self.launched.append(request)
        request.log.touch()
        result = self.behaviour(request)
        if isinstance(result, Hang):
            self._hanging[request.key] = result
        else:
            self._ended.append(Exited(key=request.key, status=result, max_rss_bytes=0))

    def events(self, timeout_seconds: float) -> list[Exited]:
        """See `Launcher`."""
        if not self._ended:
            self._wake.wait(min(timeout_seconds, 0.01 if self._hanging else timeout_seconds))
        self._wake.clear()
        ended, self._ended = self._ended, []
        return ended

    def kill(self, key: str, signal_number: int) -> None:
        """See `Launcher`."""
        hanging = self._hanging.get(key)
        if hanging is not None and (signal_number == signal.SIGKILL or not hanging.ignores_term):
            del self._hanging[key]
            self._ended.append(Exited(key=key, signal=signal_number, max_rss_bytes=0))

    def finish(self, key: str, status: int) -> None:
        """Let a hanging program end by itself."""
        del self._hanging[key]
        self._ended.append(Exited(key=key, status=status, max_rss_bytes=0))

    def wake(self) -> None:
        """See `Launcher`."""
        self._wake.set()

    def close(self) -> None:
        """See `Launcher`."""
        self._hanging.clear()
