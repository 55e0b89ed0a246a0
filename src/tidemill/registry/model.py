"""The nouns of the registry."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.base.errors import Conflict


class VersionState(StrEnum):
    """Where a model version is in its life; whether it is approved or live is not told here but by the gate."""

    READY = "ready"  # packaged; may be reviewed
    RETIRED = "retired"  # kept for lineage; may not be reviewed, nor go live again


VERSION_TRANSITIONS: dict[VersionState, frozenset[VersionState]] = {
    VersionState.READY: frozenset({VersionState.RETIRED}),
    VersionState.RETIRED: frozenset(),
}


def check_version_transition(old: VersionState, new: VersionState) -> None:
    """Raise `Conflict` unless a version may go from `old` to `new`."""
    if new not in VERSION_TRANSITIONS[old]:
        raise Conflict(f"a model version that is {old} cannot become {new}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A name under which versions are counted."""

    id: str
    namespace_id: str
    name: str
    versions: int
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One packaged model of one run, counted from 1 per model; all but its state is fixed when it is made.

    `package_digest` is the digest of the package folder (a tree artifact), `run_author` who submitted the run,
    `author` who the version is by; neither of the two may approve it. `seal` proves that the site
    registered it just so.
    """

    id: str
    namespace_id: str
    model: str
    number: int
    state: VersionState
    package_digest: str
    package_artifact_id: str
    run_id: str
    lock_digest: str
    spec_digest: str
    signature: dict[str, Any]
    metrics: dict[str, float]
    parameters: dict[str, Any]
    data_versions: dict[str, str]
    code_commit: str | None
    author: str
    run_author: str
    created_by: str
    created_at: datetime
    generation: int
    seal: str | None = None

    @property
    def label(self) -> str:
        """How people name it: `fuel@3`."""
        return f"{self.model}@{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRequest:
    """What to make a model version of.

    `model_output` and `sample_output` name artifacts of the run as `task.output`; the sample is a table of feature
    rows: at most 20 of them are recorded with the model's answers. `profile_output` is the table for the reference
    profile (the sample, unless given). `metrics` are added to those of the run's metrics artifacts.
    """

    run_id: str
    model: str
    model_output: str
    sample_output: str
    profile_output: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    data_versions: dict[str, str] = field(default_factory=dict)
    code_commit: str | None = None
    author: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePointer:
    """Which model version a service of an environment answers with; only the gate moves it.

    `previous_version_id` is where a rollback goes; `generation` grows with every move.
    """

    namespace_id: str
    environment: str
    service: str
    model_version_id: str
    previous_version_id: str | None
    review_id: str
    generation: int
    moved_by: str
    moved_at: datetime


class MoveKind(StrEnum):
    """Why a live pointer moved."""

    PROMOTED = "promoted"  # a review passed
    ROLLED_BACK = "rolled_back"  # somebody went back to a version that was live before


@dataclass(frozen=True, slots=True, kw_only=True)
class PointerMove:
    """One move of a live pointer, kept for ever; `generation` is the pointer's after the move."""

    environment: str
    service: str
    generation: int
    kind: MoveKind
    from_version_id: str | None
    to_version_id: str
    review_id: str
    moved_by: str
    moved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDifference:
    """What differs between two versions; each value is a pair (old, new), None where one side lacks it."""

    old: str
    new: str
    parameters: dict[str, tuple[Any, Any]]
    metrics: dict[str, tuple[float | None, float | None]]
    data_versions: dict[str, tuple[str | None, str | None]]
    lock_digest: tuple[str, str] | None
    spec_digest: tuple[str, str] | None
    code_commit: tuple[str | None, str | None] | None
