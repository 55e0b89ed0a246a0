"""The nouns of triggers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.base.errors import Conflict


class TriggerKind(StrEnum):
    """What makes a trigger fire; a plug-in adds kinds of its own."""

    CRON = "cron"  # a wall time of a zone
    INTERVAL = "interval"  # so many seconds after the time before
    DATA = "data"  # a .dvc file on a branch, or files on this machine, with another content
    PIPELINE_APPROVED = "pipeline-approved"  # people approved a pipeline version of the project
    ALERT = "alert"  # a service's monitor raised one
    HTTP = "http"  # a program asked, or a webhook came
    PERSON = "person"  # somebody asked


SCHEDULED = frozenset({TriggerKind.CRON, TriggerKind.INTERVAL})
"""Kinds whose times are known beforehand."""

ASKED = frozenset({TriggerKind.HTTP, TriggerKind.PERSON})
"""Kinds that only a request fires."""

LISTENING: Mapping[str, str] = {
    TriggerKind.PIPELINE_APPROVED: "pipeline.approved",
    TriggerKind.ALERT: "alert.raised",
}
"""Kinds that an event of the site fires, with the event's kind."""


class Concurrency(StrEnum):
    """What becomes of a firing while another one of the trigger goes on."""

    ALLOW = "allow"  # both go on
    FORBID = "forbid"  # it is skipped
    REPLACE = "replace"  # the other one's run is stopped


class CatchUp(StrEnum):
    """Which of the times that passed while the site was down are made up."""

    NONE = "none"  # none of them
    LAST = "last"  # the last one
    ALL = "all"  # all of them, the newest up to the limit


class Then(StrEnum):
    """What follows a run that succeeded."""

    REVIEW = "review"  # its model version is registered and asks for a review
    NOTHING = "nothing"  # the run was all


class FiringState(StrEnum):
    """Where a firing stands."""

    WAITING = "waiting"  # recorded; its run is not made yet
    RUNNING = "running"  # its run is on its way
    JUDGING = "judging"  # its run succeeded; its model version is registered and checked
    REPLACING = "replacing"  # a newer firing took its place; its run is being stopped
    DONE = "done"  # its run succeeded, and nothing was to follow
    PASSED = "passed"  # its model version passed the review
    AWAITING_APPROVAL = "awaiting_approval"  # all checks passed; people decide
    STOPPED = "stopped"  # a check, or a person, stopped its model version
    FAILED = "failed"  # the run or what followed failed; the reason says how
    REFUSED = "refused"  # the project has no approved pipeline version
    REPLACED = "replaced"  # a newer firing took its place
    SKIPPED = "skipped"  # a pause, the cool-down or the concurrency policy held it back

    @property
    def is_final(self) -> bool:
        """True when nothing follows."""
        return not FIRING_TRANSITIONS[self]


FIRING_TRANSITIONS: dict[FiringState, frozenset[FiringState]] = {
    FiringState.WAITING: frozenset(
        {FiringState.RUNNING, FiringState.REPLACING, FiringState.REFUSED, FiringState.FAILED}
    ),
    FiringState.RUNNING: frozenset({FiringState.JUDGING, FiringState.DONE, FiringState.REPLACING, FiringState.FAILED}),
    FiringState.JUDGING: frozenset(
        {FiringState.PASSED, FiringState.AWAITING_APPROVAL, FiringState.STOPPED, FiringState.FAILED}
    ),
    FiringState.REPLACING: frozenset({FiringState.REPLACED}),
    **{
        state: frozenset()
        for state in (
            FiringState.DONE,
            FiringState.PASSED,
            FiringState.AWAITING_APPROVAL,
            FiringState.STOPPED,
            FiringState.FAILED,
            FiringState.REFUSED,
            FiringState.REPLACED,
            FiringState.SKIPPED,
        )
    },
}


def check_firing_transition(old: FiringState, new: FiringState) -> None:
    """Raise `Conflict` unless a firing may go from `old` to `new`."""
    if new not in FIRING_TRANSITIONS[old]:
        raise Conflict(f"this firing is {old}, it cannot become {new}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOutputs:
    """Which outputs of a run become a model version, each as `task.output`; `profile` is "" for the sample."""

    name: str
    output: str
    sample: str
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a firing does, as the project was applied: a run of its approved pipeline version, and what follows.

    `policy` is the gate's as JSON. The data is as `branch` of `repository` has it; without a repository it is the
    newest that the site has recorded, and `folder` is where the project lies on this machine, "" for elsewhere.
    """

    project: str
    environment: str
    then: Then = Then.REVIEW
    service: str = ""
    experiment: str = "Default"
    model: ModelOutputs | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    repository: str = ""
    branch: str = ""
    folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSpec:
    """A trigger as a project file declares it; `settings` are those that its kind takes."""

    name: str
    kind: str
    action: Action
    settings: Mapping[str, Any] = field(default_factory=dict)
    concurrency: Concurrency = Concurrency.FORBID
    cooldown_seconds: int = 0
    catch_up: CatchUp = CatchUp.LAST
    catch_up_limit: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A declared trigger on the site.

    `next_at` is when it is due, or looked at, next; `planned_at` when that was decided. `cursor` is what it has seen
    so far; `problem` is why it could not be looked at, after `failures` tries in a row. `source` says what declared it.
    """

    id: str
    namespace_id: str
    spec: TriggerSpec
    source: str
    next_at: datetime | None
    planned_at: datetime | None
    cursor: dict[str, Any] | None
    problem: str | None
    failures: int
    paused_by: str | None
    paused_at: datetime | None
    removed_at: datetime | None
    created_by: str
    created_at: datetime
    generation: int

    @property
    def name(self) -> str:
        """Its name in the project file."""
        return self.spec.name

    @property
    def project(self) -> str:
        """The project that declares it."""
        return self.spec.action.project

    @property
    def is_at_work(self) -> bool:
        """True unless it is paused or was taken out of its project."""
        return self.paused_at is None and self.removed_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Why a trigger fires: at most one firing of it has this `key`; without one each occasion is its own.

    `cause` are the facts, as a run's origin and the events show them; `by` who asked, None for the trigger itself.
    """

    kind: str
    cause: Mapping[str, Any]
    key: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One firing of a trigger; `run_id` is settled before there is a run, `reason` says how it ended or what it
    waits for."""

    id: str
    namespace_id: str
    trigger_id: str
    trigger: str
    project: str
    kind: str
    key: str
    cause: dict[str, Any]
    action: Action
    state: FiringState
    reason: str | None
    remedy: str | None
    run_id: str | None
    model_version_id: str | None
    model_version: str | None
    review_id: str | None
    attempts: int
    try_again_at: datetime | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    generation: int
