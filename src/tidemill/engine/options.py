"""What a worker can be told, and the tools that its runs share."""

from __future__ import annotations

import os
import queue
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from tidemill.artifacts import ArtifactStore
from tidemill.base.site import Site
from tidemill.engine.claims import Guards
from tidemill.engine.environments import Environments
from tidemill.engine.launchers import Launcher

Result = TypeVar("Result")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _draw_seed() -> int:
    return secrets.randbits(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """The limits of a worker.

    `slots` steps run at a time over all runs that do not bring a parallelism of their own (None: one a core). A worker
    that has not beaten for `lease_seconds` loses its runs. A step that is stopped gets SIGTERM, after `grace_seconds`
    SIGKILL. A log is cut above `log_cap_bytes`. A step may take `timeout_seconds` unless its spec says less. A step
    whose process was lost is started again up to `max_losses` times; a run is PAUSED after `max_engine_faults`.
    """

    slots: int | None = None
    lease_seconds: float = 10.0
    beat_seconds: float = 2.0
    poll_seconds: float = 0.1
    idle_poll_seconds: float = 0.25
    grace_seconds: float = 5.0
    log_cap_bytes: int = 64 << 20
    timeout_seconds: float = 7 * 24 * 3600.0
    max_losses: int = 3
    max_engine_faults: int = 3
    guards: Guards = field(default_factory=Guards)
    draw_seed: Callable[[], int] = _draw_seed

    @property
    def slot_count(self) -> int:
        """How many steps run at a time."""
        return self.slots or _cores()


class Background:
    """A few threads for what takes long; what follows is run by the worker's own thread."""

    def __init__(self, wake: Callable[[], None], threads: int = 4) -> None:
        self._wake = wake
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="tidemill-engine")
        self._done: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def submit(self, work: Callable[[], Result], then: Callable[[Future[Result]], None]) -> None:
        """Do `work` in a thread; `then` gets its future in `run_followers`."""

        def finished(future: Future[Result]) -> None:
            self._done.put(lambda: then(future))
            self._wake()

        self._pool.submit(work).add_done_callback(finished)

    def forget(self, work: Callable[[], object]) -> None:
        """Do `work` in a thread; nobody waits for it."""
        self._pool.submit(work)

    def followers(self) -> list[Callable[[], None]]:
        """What follows the work that has been done since the last call."""
        found: list[Callable[[], None]] = []
        while True:
            try:
                found.append(self._done.get_nowait())
            except queue.Empty:
                return found

    def close(self) -> None:
        """Wait for what is being done, drop the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def done_now(work: Callable[[], Result]) -> Future[Result]:
    """Do something short at once; what goes wrong is in the future, as after a thread."""
    future: Future[Result] = Future()
    try:
        future.set_result(work())
    except Exception as problem:  # noqa: BLE001  # raised where the result is asked for
        future.set_exception(problem)
    return future


@dataclass(slots=True, kw_only=True)
class Tools:
    """What all runs of a worker share; `used_slots` counts the steps of runs without a parallelism of their own."""

    site: Site
    blobs: ArtifactStore
    launcher: Launcher
    environments: Environments
    background: Background
    options: WorkerOptions
    used_slots: int = 0
