"""One process of the site: kept running until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from tidemill.supervisor.model import PROCESS_TRANSITIONS, ProcessSpec, ProcessState, ProcessStatus

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 10.0
SETTLE_SECONDS = 1.0
"""A process that lived this long counts as running, also when nobody asked it."""

STEADY_SECONDS = 30.0
"""A process that ran this long starts its next pauses from the shortest again."""

_PR_SET_PDEATHSIG = 1
log = logging.getLogger(__name__)


class Process:
    """Starts a process, starts it again when it ends unasked (with growing pauses), and drains it."""

    def __init__(self, spec: ProcessSpec, log_file: Path) -> None:
        self.spec = spec
        self._log_file = log_file
        self._state = ProcessState.STOPPED
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._restarts = 0
        self._stopping = asyncio.Event()

    @property
    def status(self) -> ProcessStatus:
        """What is known of it now."""
        pid = self._process.pid if self._process is not None and self._process.returncode is None else None
        return ProcessStatus(name=self.spec.name, state=self._state, pid=pid, restarts=self._restarts)

    async def start(self) -> None:
        """Start it, or wait for who wakes it, and watch it from now on."""
        self._stopping.clear()
        if self.spec.woken_by is None:
            await self._spawn()
        else:
            self._to(ProcessState.IDLE)
        self._watcher = asyncio.create_task(self._watch(), name=f"watch {self.spec.name}")

    def mark_ready(self) -> None:
        """Note that it answers."""
        if self._state is ProcessState.STARTING:
            self._to(ProcessState.RUNNING)

    async def stop(self) -> None:
        """TERM, then KILL of its process group after `drain_seconds`."""
        self._stopping.set()
        process = self._process
        if process is not None and process.returncode is None:
            _signal(process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), self.spec.drain_seconds)
            except TimeoutError:
                log.warning("%s did not drain in %.0f s and was killed", self.spec.name, self.spec.drain_seconds)
                _signal_group(process.pid, signal.SIGKILL)
                await process.wait()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        if self._state is not ProcessState.STOPPED:
            self._to(ProcessState.STOPPED)

    async def _spawn(self) -> None:
        self._to(ProcessState.STARTING)
        with self._log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=self.spec.inherited,
                env={**os.environ, **self.spec.environment},
                start_new_session=True,
                preexec_fn=die_with(os.getpid()),
            )

    async def _watch(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            if self._state is ProcessState.IDLE:
                await self._until_woken()
                await self._spawn()
            started = loop.time()
            process = self._process
            assert process is not None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), SETTLE_SECONDS)
            if process.returncode is None:
                self.mark_ready()
            status = await process.wait()
            if self._stopping.is_set():
                return
            if status == 0 and self.spec.woken_by is not None:
                pause = FIRST_PAUSE_SECONDS
                self._to(ProcessState.IDLE)
                continue
            self._to(ProcessState.WAITING)
            if loop.time() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            log.warning("%s ended with %s; it starts again in %.1f s", self.spec.name, status, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            self._restarts += 1
            if self.spec.woken_by is None:
                await self._spawn()
            else:
                self._to(ProcessState.IDLE)

    async def _until_woken(self) -> None:
        """Until a connection waits on the descriptor that wakes the process; it is for the process to take."""
        assert self.spec.woken_by is not None
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        loop.add_reader(self.spec.woken_by, woken.set)
        try:
            await woken.wait()
        finally:
            loop.remove_reader(self.spec.woken_by)

    def _to(self, state: ProcessState) -> None:
        if state not in PROCESS_TRANSITIONS[self._state]:
            raise RuntimeError(f"{self.spec.name} cannot go from {self._state} to {state}")
        self._state = state


def die_with(parent: int) -> Callable[[], None]:
    """What a child runs before its program: it dies when the supervisor does, however that dies (Linux)."""

    def prepare() -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return prepare


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
