"""The nouns of the supervisor."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ProcessState(StrEnum):
    """Where a process of the site is in its life."""

    IDLE = "IDLE"  # not there; starts when somebody asks for it
    STARTING = "STARTING"  # started, has not said yet that it is ready
    RUNNING = "RUNNING"  # ready
    WAITING = "WAITING"  # ended unasked; starts again after a pause
    STOPPED = "STOPPED"  # ended because it was told to


PROCESS_TRANSITIONS: dict[ProcessState, frozenset[ProcessState]] = {
    ProcessState.IDLE: frozenset({ProcessState.STARTING, ProcessState.STOPPED}),
    ProcessState.STARTING: frozenset(
        {ProcessState.RUNNING, ProcessState.WAITING, ProcessState.STOPPED, ProcessState.IDLE}
    ),
    ProcessState.RUNNING: frozenset({ProcessState.WAITING, ProcessState.STOPPED, ProcessState.IDLE}),
    ProcessState.WAITING: frozenset({ProcessState.STARTING, ProcessState.STOPPED, ProcessState.IDLE}),
    ProcessState.STOPPED: frozenset({ProcessState.STARTING, ProcessState.IDLE}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """How a process of the site is started: argv, the descriptors it inherits, and how long it may drain.

    One with `woken_by`, a listening descriptor, is started by the first connection to it, and again by the next one
    after it ended with status 0.
    """

    name: str
    argv: tuple[str, ...]
    inherited: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    drain_seconds: float = 10.0
    woken_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """What is known of a process; `restarts` counts since the site came up."""

    name: str
    state: ProcessState
    pid: int | None
    restarts: int
