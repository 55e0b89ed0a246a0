"""The nouns of a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.base.errors import Conflict
from tidemill.serving.gateway.figures import Figures, figures_from_json
from tidemill.serving.rollout.plan import RolloutPlan


class RolloutState(StrEnum):
    """Where a rollout is."""

    STARTED = "started"  # its revision is being started, warmed up and smoke-tested; no traffic
    STEPPING = "stepping"  # a share was decided; the gateway is being told
    HOLDING = "holding"  # the gateway took the share; the guards watch
    PROMOTED = "promoted"  # its revision answers everything
    ROLLED_BACK = "rolled_back"  # a guard, a crash or a person ended it; the stable revision answers everything
    SUPERSEDED = "superseded"  # a newer version came before it was through


TRANSITIONS: dict[RolloutState, frozenset[RolloutState]] = {
    RolloutState.STARTED: frozenset({RolloutState.STEPPING, RolloutState.ROLLED_BACK, RolloutState.SUPERSEDED}),
    RolloutState.STEPPING: frozenset(
        {
            RolloutState.STEPPING,
            RolloutState.HOLDING,
            RolloutState.PROMOTED,
            RolloutState.ROLLED_BACK,
            RolloutState.SUPERSEDED,
        }
    ),
    RolloutState.HOLDING: frozenset({RolloutState.STEPPING, RolloutState.ROLLED_BACK, RolloutState.SUPERSEDED}),
    RolloutState.PROMOTED: frozenset(),
    RolloutState.ROLLED_BACK: frozenset(),
    RolloutState.SUPERSEDED: frozenset(),
}
ACTIVE = tuple(state for state, following in TRANSITIONS.items() if following)


def check_rollout_transition(old: RolloutState, new: RolloutState) -> None:
    """Raise `Conflict` unless a rollout may go from `old` to `new`."""
    if new not in TRANSITIONS[old]:
        raise Conflict(f"a rollout that is {old} cannot become {new}", remedy="look again: tidemill service show")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the gateway counted for both arms since the new revision first got requests.

    The `_before` are those sums when the step began, `last` what the gateway showed when it was read last; `restarts`
    is how often the new revision's predictor had been started again before.
    """

    canary: Figures = field(default_factory=Figures)
    stable: Figures = field(default_factory=Figures)
    canary_before: Figures = field(default_factory=Figures)
    stable_before: Figures = field(default_factory=Figures)
    canary_last: Figures = field(default_factory=Figures)
    stable_last: Figures = field(default_factory=Figures)
    restarts: int = 0

    @property
    def canary_step(self) -> Figures:
        """The new revision's figures since the step began."""
        return self.canary.since(self.canary_before)

    @property
    def stable_step(self) -> Figures:
        """The stable revision's figures since the step began."""
        return self.stable.since(self.stable_before)

    def to_json(self) -> dict[str, Any]:
        """The figures as they are stored."""
        return {name: getattr(self, name).to_json() for name in _FIGURES} | {"restarts": self.restarts}


_FIGURES = ("canary", "stable", "canary_before", "stable_before", "canary_last", "stable_last")


def watched_from_json(stored: Mapping[str, Any]) -> Watched:
    """Figures as they were stored."""
    figures = {name: figures_from_json(stored.get(name)) for name in _FIGURES}
    return Watched(**figures, restarts=stored.get("restarts", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A version on its way to all requests of a service: from one revision, which is stable, to another, the canary.

    `pointer_generation` is the live pointer's, which named the version; `percent` is the share of the new revision.
    `plan` is the service's when it began. `created_by` is who let the version in, `changed_by` who moved it last.
    """

    id: str
    namespace_id: str
    service_id: str
    pointer_generation: int
    model_version_id: str
    revision_id: str
    revision: int
    from_version_id: str
    from_revision_id: str
    from_revision: int
    plan: RolloutPlan
    state: RolloutState
    percent: int
    paused: bool
    reason: str
    watched: Watched
    held_since: datetime | None
    created_by: str
    created_at: datetime
    changed_by: str
    changed_at: datetime
    generation: int

    @property
    def is_active(self) -> bool:
        """True while it can still become something else."""
        return self.state in ACTIVE

    def told(self, service: str, environment: str) -> dict[str, Any]:
        """What an event says of it."""
        return {
            "service": service,
            "environment": environment,
            "rollout": self.id,
            "revision": self.revision,
            "revision_id": self.revision_id,
            "from_revision": self.from_revision,
            "from_revision_id": self.from_revision_id,
            "model_version_id": self.model_version_id,
            "percent": self.percent,
            "reason": self.reason,
        }
