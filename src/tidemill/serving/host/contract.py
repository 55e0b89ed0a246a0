"""What a predictor host promises."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class PredictorState(StrEnum):
    """What a host knows of a revision's predictor."""

    ABSENT = "absent"  # never started here, or stopped
    STARTING = "starting"  # started, has not answered yet
    READY = "ready"  # has answered that it is ready
    RESTARTING = "restarting"  # died or hung after it was ready; connections wait in its socket
    FAILED = "failed"  # ended before it was ever ready; the message says why


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a predictor. `argument` is that of `tidemill_runtime.predict` without its socket and heartbeat.

    `runtime` is the folder of `tidemill_runtime`. `preload` names modules that a zygote may import before the fork:
    libraries that survive one, never the user's own.
    """

    revision_id: str
    socket: Path
    python: Path
    runtime: Path
    environment: dict[str, str]
    argument: dict[str, Any]
    heartbeat: Path
    log: Path
    preload: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorStatus:
    """What a host knows; `restarts` counts since the start, `message` holds the last log lines of a failure."""

    state: PredictorState
    pid: int | None = None
    restarts: int = 0
    message: str = field(default="")


class PredictorHost(Protocol):
    """Runs predictors by revision.

    The listening socket belongs to the host from `start` to `stop`: while a predictor dies and starts again,
    connections wait instead of failing. No method waits for a predictor to get ready. Safe to call from any thread.
    """

    def start(self, launch: Launch) -> None:
        """Make the socket and start the predictor; nothing when it runs already. Raises `Unavailable`."""

    def status(self, revision_id: str) -> PredictorStatus:
        """What is known of a revision's predictor now."""

    def stop(self, revision_id: str) -> None:
        """Drain and end the predictor (TERM, later KILL) and remove its socket; nothing when there is none."""

    def revisions(self) -> list[str]:
        """The revisions that have a predictor here, failed ones too."""

    def close(self) -> None:
        """Stop every predictor."""
