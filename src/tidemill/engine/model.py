"""The nouns of the engine: runs, tasks, attempts, metrics, and the states they go through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.base.errors import Conflict
from tidemill.pipelines.model import Pipeline


class State(StrEnum):
    """Where a run, a task or an attempt is; KFP's names and meanings."""

    PENDING = "PENDING"  # waits for a worker, for upstream tasks or for the next try
    RUNNING = "RUNNING"  # a worker holds the run; a step of the task is at work
    SUCCEEDED = "SUCCEEDED"  # done, with its outputs recorded
    FAILED = "FAILED"  # ended without its outputs; the error says why
    CANCELED = "CANCELED"  # stopped because somebody asked
    SKIPPED = "SKIPPED"  # its condition was false, or an upstream task gave nothing
    PAUSED = "PAUSED"  # held back until a person resumes it, after too many faults of the engine
    CANCELING = "CANCELING"  # somebody asked to stop; its steps are being ended

    @property
    def is_final(self) -> bool:
        """True when nothing goes on by itself from here."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELED, State.SKIPPED})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.PENDING: frozenset(
        {
            State.RUNNING,
            State.SUCCEEDED,
            State.FAILED,
            State.CANCELED,
            State.SKIPPED,
            State.PAUSED,
            State.CANCELING,
        }
    ),
    State.RUNNING: frozenset(
        {State.PENDING, State.SUCCEEDED, State.FAILED, State.CANCELED, State.PAUSED, State.CANCELING}
    ),
    # It may have ended before it was stopped.
    State.CANCELING: frozenset({State.CANCELED, State.SUCCEEDED, State.FAILED}),
    State.PAUSED: frozenset({State.PENDING, State.CANCELED, State.CANCELING}),
    # What did not succeed can be resumed.
    State.FAILED: frozenset({State.PENDING}),
    State.CANCELED: frozenset({State.PENDING}),
    State.SKIPPED: frozenset({State.PENDING}),
    State.SUCCEEDED: frozenset(),
}


def check_transition(old: State, new: State, *, place: str) -> None:
    """Raise `Conflict` at `place` unless `old` may become `new`."""
    if new not in TRANSITIONS[old]:
        raise Conflict(f"is {old.value} and cannot become {new.value}", place=place)


class TaskKind(StrEnum):
    """What is behind a task."""

    CONTAINER = "container"  # a step: a program with inputs and outputs
    IMPORTER = "importer"  # registers what lies at a URI
    DAG = "dag"  # tasks of its own, as child rows
    LOOP = "loop"  # one child row per item
    ITERATION = "iteration"  # one pass of a loop over a DAG


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to run.

    `parameters` are the root's, `artifacts` its input artifacts (name → artifact id); `parallelism` is the most steps
    at a time (None: the worker's cores); `origin` says where the spec came from (file, commit, trigger) and is
    kept as it is; the run adds the versions of the data that it was given. `id` is settled beforehand by who may have
    to ask again: the same id is the same run.
    """

    pipeline: Pipeline
    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    experiment: str = "Default"
    caching: bool = True
    parallelism: int | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a task or run failed; `log_tail` are the last lines of its log, `cell` and `line` point into a notebook.

    `error` is the code of the error that ended it (`storage_full`), None when its own program failed.
    """

    message: str
    error: str | None = None
    task: str | None = None
    notebook: str | None = None
    cell: str | None = None
    line: int | None = None
    traceback: str | None = None
    log_tail: tuple[str, ...] = ()
    remedy: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As stored and as the API sends it."""
        return {
            "schema_version": 1,
            "message": self.message,
            "error": self.error,
            "task": self.task,
            "notebook": self.notebook,
            "cell": self.cell,
            "line": self.line,
            "traceback": self.traceback,
            "log_tail": list(self.log_tail),
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A pipeline with its parameters, on its way; `author` submitted it.

    `outputs` are the pipeline's own (parameters as values, artifacts as ids under "artifacts"); `notices` say once
    what differs here from a cluster.
    """

    id: str
    namespace_id: str
    name: str
    experiment: str
    state: State
    pipeline_name: str
    spec_digest: str
    parameters: dict[str, Any]
    caching: bool
    origin: dict[str, Any]
    outputs: dict[str, Any]
    failure: Failure | None
    notices: tuple[str, ...]
    trace_id: str
    author: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task instance of a run; tasks of a nested DAG and iterations of a loop are children (`parent_id`).

    `path` names it in the run: `train`, `for-loop-1[2]/train`. `parameters` are its resolved inputs;
    `output_parameters` values; `output_artifacts` ids by output name, in order.
    """

    id: str
    namespace_id: str
    run_id: str
    parent_id: str | None
    path: str
    name: str
    display_name: str
    kind: TaskKind
    state: State
    iteration: int | None
    cached: bool
    lock_digest: str | None
    parameters: dict[str, Any]
    output_parameters: dict[str, Any]
    output_artifacts: dict[str, tuple[str, ...]]
    failure: Failure | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    generation: int

    @property
    def seconds(self) -> float | None:
        """How long it took, None while it has not ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a task; the winning one is SUCCEEDED. `log` is relative to the home's log folder."""

    id: str
    run_id: str
    task_id: str
    number: int
    state: State
    seed: int
    exit_status: int | None
    signal: int | None
    max_rss_bytes: int | None
    log: str
    failure: Failure | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number that an attempt reported; provisional until the attempt succeeded. `value` may be NaN or infinite."""

    run_id: str
    task_id: str
    attempt_id: str
    task: str
    name: str
    value: float
    step: int
    provisional: bool
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPiece:
    """A part of a log: bytes from an offset, where the next part starts, and whether the writer has ended."""

    data: bytes
    next_offset_bytes: int
    is_complete: bool
