"""A predictor that a zygote was asked for: nothing yet, then a fork, or a spawned process in its place."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time

from tidemill.base.errors import Unavailable
from tidemill.base.process import is_alive, start_ticks
from tidemill.serving.host.contract import Launch
from tidemill.serving.host.starter import Child, Spawner

EXIT_NOT_STARTED = 127
POLL_SECONDS = 0.002
log = logging.getLogger(__name__)


class Forked:
    """A `Child` whose zygote tells, through the methods from `began` on, what becomes of it.

    It is signalled by its own id, so that this works while its zygote imports or hangs.
    """

    def __init__(self, launch: Launch, listener: socket.socket) -> None:
        self.launch = launch
        self.listener = listener.dup()
        self.lifeline, self._held_lifeline = os.pipe()
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._ticks: int | None = None
        self._spawned: Child | None = None
        self._status: int | None = None
        self._is_unwanted = False
        self._is_lost = False
        self._ended = threading.Event()

    @property
    def pid(self) -> int | None:
        return self._pid if self._spawned is None else self._spawned.pid

    @property
    def is_lost(self) -> bool:
        return self._is_lost

    def poll(self) -> int | None:
        return self._status if self._spawned is None else self._spawned.poll()

    def wait(self, timeout_seconds: float | None = None) -> int:
        if self._spawned is not None:
            return self._spawned.wait(timeout_seconds)
        if not self._ended.wait(timeout_seconds):
            raise TimeoutError
        assert self._status is not None
        return self._status

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def began(self, pid: int) -> None:
        """The zygote forked it."""
        with self._lock:
            self._pid, self._ticks = pid, start_ticks(pid)
            self._close_copies()
            if self._is_unwanted:  # it has not served anybody: nothing to drain
                self._signal(signal.SIGKILL)

    def ended(self, status: int) -> None:
        """The zygote saw it end."""
        with self._lock:
            self._end(status)

    def cut_off(self) -> None:
        """The zygote has ended, and a fork of it ends with it; what was not forked yet is spawned."""
        if self._pid is None:
            self.spawn()
            return
        while self._ticks is not None and is_alive(self._pid, self._ticks):
            self._signal(signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        with self._lock:
            self._is_lost = True
            self._end(-signal.SIGKILL)

    def spawn(self) -> None:
        """It cannot be forked: a process of its own takes its place."""
        with self._lock:
            if self._is_unwanted:
                self._end(-signal.SIGTERM)
                return
            try:
                self._spawned = Spawner().start(self.launch, self.listener)
            except Unavailable as problem:
                log.warning("predictor %s: %s", self.launch.revision_id, problem)
                self._end(EXIT_NOT_STARTED)
                return
            self._close_copies()
            os.close(self._held_lifeline)

    def _end(self, status: int) -> None:
        self._close_copies()
        os.close(self._held_lifeline)
        self._status = status
        self._ended.set()

    def _close_copies(self) -> None:
        """Let go of what the process has now, or never will."""
        self.listener.close()
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1

    def _send(self, number: signal.Signals) -> None:
        with self._lock:
            if self._spawned is not None:
                (self._spawned.kill if number is signal.SIGKILL else self._spawned.terminate)()
            elif self._pid is None:
                self._is_unwanted = True
            elif self._status is None:
                self._signal(number)

    def _signal(self, number: signal.Signals) -> None:
        if self._pid is not None and self._ticks is not None and is_alive(self._pid, self._ticks):
            try:
                os.kill(self._pid, number)
            except ProcessLookupError:
                return
