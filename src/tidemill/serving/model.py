"""The nouns of serving."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.base.errors import Conflict
from tidemill.serving.gateway.model import Access
from tidemill.serving.rollout.plan import RolloutPlan, plan_from_json

DEVELOPMENT = "development"
"""The one environment without a gate: a service there takes the version that its spec names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """How the page asks for one column: `unit` is what a person types, `model_unit` what the model takes."""

    column: str
    label: str = ""
    unit: str = ""
    model_unit: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The page of a service; columns without a field are asked for by their names, in the model's own unit.

    `output_unit` is what a person reads, `model_output_unit` what the model gives.
    """

    title: str = ""
    fields: tuple[FormField, ...] = ()
    output_label: str = ""
    output_unit: str = ""
    model_output_unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """What a service shall be.

    In a gated environment it answers with what the live pointer names; `model_version` (`fuel@3`, or an id) is what
    a service in `development` answers with.
    """

    name: str
    environment: str = "production"
    model: str = ""
    model_version: str = ""
    access: Access = Access.TOKEN
    timeout_seconds: float = 30.0
    form: Form = field(default_factory=Form)
    rollout: RolloutPlan = field(default_factory=RolloutPlan)

    @property
    def is_gated(self) -> bool:
        """True when only the gate decides what is served."""
        return self.environment != DEVELOPMENT

    def to_json(self) -> dict[str, Any]:
        """The spec as it is stored."""
        return {"schema_version": 1, **asdict(self), "rollout": self.rollout.to_json()}


def spec_from_json(stored: dict[str, Any]) -> ServiceSpec:
    """A spec as it was stored."""
    fields = {key: value for key, value in stored.items() if key != "schema_version"}
    form = dict(fields.pop("form", None) or {})
    form["fields"] = tuple(FormField(**item) for item in form.get("fields", ()))
    rollout = plan_from_json(fields.pop("rollout", None) or {})
    return ServiceSpec(**{**fields, "access": Access(fields["access"]), "form": Form(**form), "rollout": rollout})


class RevisionState(StrEnum):
    """Where a revision is in its life."""

    STARTING = "starting"  # its predictor is being started, warmed up and smoke-tested; no traffic
    LIVE = "live"  # the gateway sends it requests
    CANARY = "canary"  # the gateway sends it a share of the requests, while a rollout goes on
    STANDBY = "standby"  # was live before; kept warm, so that a rollback loads nothing
    STOPPED = "stopped"  # has no predictor
    FAILED = "failed"  # its predictor did not start, or its smoke test failed; the message says why


REVISION_TRANSITIONS: dict[RevisionState, frozenset[RevisionState]] = {
    RevisionState.STARTING: frozenset(
        {RevisionState.LIVE, RevisionState.CANARY, RevisionState.FAILED, RevisionState.STOPPED}
    ),
    RevisionState.LIVE: frozenset({RevisionState.STANDBY, RevisionState.STOPPED}),
    RevisionState.CANARY: frozenset({RevisionState.LIVE, RevisionState.STOPPED}),
    RevisionState.STANDBY: frozenset({RevisionState.LIVE, RevisionState.CANARY, RevisionState.STOPPED}),
    RevisionState.STOPPED: frozenset({RevisionState.STARTING}),
    RevisionState.FAILED: frozenset({RevisionState.STARTING, RevisionState.STOPPED}),
}


def check_revision_transition(old: RevisionState, new: RevisionState) -> None:
    """Raise `Conflict` unless a revision may go from `old` to `new`."""
    if new not in REVISION_TRANSITIONS[old]:
        raise Conflict(f"a revision that is {old} cannot become {new}")


class Reason(StrEnum):
    """Why a service is ready, or is not."""

    SERVING = "Serving"  # the live revision answers
    AWAITING_APPROVAL = "AwaitingApproval"  # no version passed a review for this environment
    LOADING = "Loading"  # a revision is being started
    ROLLING_OUT = "RollingOut"  # the live revision answers, a new one gets a share
    FAILED = "RevisionFailed"  # the wanted revision did not start
    NOT_PROVEN = "NotProven"  # somebody changed the database: what was proven last answers on, or nothing does
    NO_VERSION = "NoModelVersion"  # in development: the spec names no version, or one that is not there


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service as it is: its spec, and what the reconciler saw last.

    `generation` grows with the spec, `observed_generation` is the one last reconciled. `deleting` is set when
    somebody deleted it in a gated environment: it serves on until forced, or applied again.
    """

    id: str
    namespace_id: str
    namespace: str
    spec: ServiceSpec
    generation: int
    observed_generation: int
    ready: bool
    reason: Reason
    message: str
    deleting: bool
    created_by: str
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        """Its name, unique in the namespace."""
        return self.spec.name

    @property
    def is_degraded(self) -> bool:
        """True when it answers, but something is wrong that somebody must look after."""
        return self.ready and self.reason in (Reason.NOT_PROVEN, Reason.FAILED)

    @property
    def path(self) -> str:
        """Where predictions are asked for, below the site's address."""
        return f"/serving/{self.namespace}/{self.spec.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One model version served in one service; numbered from 1 in its service."""

    id: str
    namespace_id: str
    service_id: str
    number: int
    model_version_id: str
    model_label: str
    state: RevisionState
    message: str
    created_by: str
    created_at: datetime
    changed_at: datetime
    generation: int
