"""The engine: a pipeline becomes a run; claims, scheduling, caching, launchers and logs."""

from tidemill.engine.model import (
    FINAL_STATES,
    Attempt,
    Failure,
    LogPiece,
    Metric,
    Run,
    RunRequest,
    State,
    Task,
    TaskKind,
)

__all__ = [
    "FINAL_STATES",
    "Attempt",
    "Failure",
    "LogPiece",
    "Metric",
    "Run",
    "RunRequest",
    "State",
    "Task",
    "TaskKind",
]
