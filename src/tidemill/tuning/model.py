"""The nouns of tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tidemill.base.errors import Conflict
from tidemill.tuning.space import Dimension

if TYPE_CHECKING:
    from tidemill.pipelines.model import Pipeline


class TuningState(StrEnum):
    """Where a tuning stands."""

    RUNNING = "running"  # trials are asked for and run; a killed driver leaves it here and another goes on
    SUCCEEDED = "succeeded"  # every trial ended and one of them is the best
    FAILED = "failed"  # every trial ended and none has an objective
    CANCELLED = "cancelled"  # somebody stopped it


TUNING_TRANSITIONS: dict[TuningState, frozenset[TuningState]] = {
    TuningState.RUNNING: frozenset({TuningState.SUCCEEDED, TuningState.FAILED, TuningState.CANCELLED}),
    TuningState.SUCCEEDED: frozenset(),
    TuningState.FAILED: frozenset(),
    TuningState.CANCELLED: frozenset(),
}


class TrialState(StrEnum):
    """Where a trial stands."""

    CLAIMED = "claimed"  # its parameters are chosen and a driver is submitting its run
    RUNNING = "running"  # its run is with the engine
    SUCCEEDED = "succeeded"  # its run gave the objective
    FAILED = "failed"  # its run failed, or gave no finite number as objective
    CANCELLED = "cancelled"  # the tuning was stopped first


TRIAL_TRANSITIONS: dict[TrialState, frozenset[TrialState]] = {
    TrialState.CLAIMED: frozenset({TrialState.RUNNING, TrialState.FAILED, TrialState.CANCELLED}),
    TrialState.RUNNING: frozenset({TrialState.SUCCEEDED, TrialState.FAILED, TrialState.CANCELLED}),
    TrialState.SUCCEEDED: frozenset(),
    TrialState.FAILED: frozenset(),
    TrialState.CANCELLED: frozenset(),
}


def check_tuning_transition(old: TuningState, new: TuningState) -> None:
    """Raise `Conflict` unless a tuning may go from `old` to `new`."""
    if new not in TUNING_TRANSITIONS[old]:
        raise Conflict(f"this tuning is {old}, it cannot become {new}")


def check_trial_transition(old: TrialState, new: TrialState) -> None:
    """Raise `Conflict` unless a trial may go from `old` to `new`."""
    if new not in TRIAL_TRANSITIONS[old]:
        raise Conflict(f"this trial is {old}, it cannot become {new}")


class Direction(StrEnum):
    """Which way the objective is better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningRequest:
    """A search over the parameters of a pipeline.

    `objective` is `TASK.ARTIFACT.NAME` (a number in a metrics artifact, such as `evaluate.metrics.val_mae`),
    `TASK.PARAMETER`, or the name of a metric that one task reports. `parameters` are fixed for all trials; `seed`
    makes the choices repeatable for the same history.
    """

    pipeline: Pipeline
    space: tuple[Dimension, ...]
    objective: str
    direction: Direction
    trials: int
    parallel: int = 2
    seed: int = 0
    name: str = "tuning"
    experiment: str = "Default"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One point of the space and the run that measures it; `value` is the objective, None until it succeeded.

    A driver that claimed it has until `claimed_until` to submit the run; then another takes over.
    """

    number: int
    state: TrialState
    parameters: dict[str, Any]
    run_id: str | None
    value: float | None
    reason: str | None
    claimed_until: datetime
    started_at: datetime
    finished_at: datetime | None
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A search with its trials; `best` is the best trial so far, its run the candidate once the tuning succeeded."""

    id: str
    namespace_id: str
    name: str
    state: TuningState
    objective: str
    direction: Direction
    space: tuple[Dimension, ...]
    parameters: dict[str, Any]
    pipeline_digest: str
    trials_wanted: int
    parallel: int
    seed: int
    experiment: str
    origin: dict[str, Any]
    trials: tuple[Trial, ...]
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    generation: int

    @property
    def best(self) -> Trial | None:
        """The succeeded trial with the best value; the earliest of equals."""
        done = [trial for trial in self.trials if trial.state is TrialState.SUCCEEDED and trial.value is not None]
        if not done:
            return None
        sign = 1.0 if self.direction is Direction.MINIMIZE else -1.0
        return min(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number))

    @property
    def candidate_run_id(self) -> str | None:
        """The run of the best trial of a tuning that succeeded."""
        best = self.best
        return best.run_id if best is not None and self.state is TuningState.SUCCEEDED else None
