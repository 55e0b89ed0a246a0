"""Routes of rollouts: what goes on, the gateway's figures, and what people do about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from tidemill.access import Actor
from tidemill.access.guard import can_operate, can_read
from tidemill.base.site import Site
from tidemill.serving.find import get_service
from tidemill.serving.gateway.figures import Figures
from tidemill.serving.rollout.find import list_rollouts
from tidemill.serving.rollout.model import Rollout
from tidemill.serving.rollout.plan import RolloutPlan, plan_from_json
from tidemill.serving.rollout.steer import pause, promote, resume, roll_back
from tidemill.serving.traffic import Traffic, traffic


class RolloutBody(BaseModel):
    """How a new version gets its requests: steps in percent, how long each is held, and the guards."""

    model_config = ConfigDict(extra="forbid")

    steps: list[int] = Field(default_factory=lambda: [100], min_length=1, max_length=100)
    hold_seconds: float = 60.0
    hold_requests: int = Field(default=0, ge=0, le=10**12)
    min_requests: int = Field(default=20, ge=1, le=10**12)
    max_error_rate: float | None = 0.01
    max_error_increase: float | None = None
    max_refusal_increase: float | None = 0.05
    max_latency_ms: float | None = None
    max_latency_ratio: float | None = None
    latency_percentile: int = 95
    sticky_header: str = "X-Tidemill-Key"

    def plan(self) -> RolloutPlan:
        """The noun."""
        return plan_from_json(self.model_dump())


class FiguresView(BaseModel):
    """What was counted: all requests, those refused as the client's fault, those that failed, and their times."""

    requests: int
    refused: int
    failed: int
    error_rate: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class RolloutView(BaseModel):
    """One rollout; its figures are those since the new revision first got requests."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    revision: int
    revision_id: str
    model_version_id: str
    from_revision: int
    from_revision_id: str
    from_version_id: str
    state: str
    active: bool
    percent: int
    paused: bool
    reason: str
    plan: dict[str, Any]
    canary: FiguresView
    stable: FiguresView
    held_since: datetime | None
    created_by: str
    created_at: datetime
    changed_by: str
    changed_at: datetime


class RolloutList(BaseModel):
    """The rollouts of a service, newest first, at most a hundred."""

    items: list[RolloutView]


class ArmView(BaseModel):
    """A revision that answers, its share, and what the gateway counted since it, or the revision, began."""

    revision: int
    revision_id: str
    model_label: str
    state: str
    percent: int
    figures: FiguresView


class TrafficView(BaseModel):
    """Who answers a service, by the gateway's own statistics."""

    service: str
    arms: list[ArmView]
    rollout: RolloutView | None


class PromotionRequest(BaseModel):
    """The share that the new revision shall have now; left out: its next step."""

    model_config = ConfigDict(extra="forbid")

    to: int | None = None


class PromotionView(BaseModel):
    """The rollout as it was promoted; None when the version was brought back and begins anew."""

    rollout: RolloutView | None


class RollbackRequest(BaseModel):
    """Where to go back to; left out: what answered before."""

    model_config = ConfigDict(extra="forbid")

    to: str | None = Field(default=None, max_length=300)


class RollbackView(BaseModel):
    """Where the live pointer stands now."""

    model_config = ConfigDict(protected_namespaces=())

    environment: str
    service: str
    model_version_id: str
    previous_version_id: str | None
    generation: int
    moved_by: str
    moved_at: datetime


def rollout_routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["serving"])

    @router.get("/services/{name}/traffic")
    def show_traffic(name: str, actor: Annotated[Actor, Depends(can_read)]) -> TrafficView:
        return _traffic_view(traffic(site, actor, name))

    @router.get("/services/{name}/rollouts")
    def listing(name: str, actor: Annotated[Actor, Depends(can_read)]) -> RolloutList:
        service = get_service(site, actor, name)
        return RolloutList(items=[rollout_view(each) for each in list_rollouts(site, actor, service)])

    @router.post("/services/{name}/promote")
    def go_on(name: str, body: PromotionRequest, actor: Annotated[Actor, Depends(can_operate)]) -> PromotionView:
        rollout = promote(site, actor, name, to=body.to)
        return PromotionView(rollout=None if rollout is None else rollout_view(rollout))

    @router.post("/services/{name}/pause")
    def hold(name: str, actor: Annotated[Actor, Depends(can_operate)]) -> RolloutView:
        return rollout_view(pause(site, actor, name))

    @router.post("/services/{name}/resume")
    def let_go(name: str, actor: Annotated[Actor, Depends(can_operate)]) -> RolloutView:
        return rollout_view(resume(site, actor, name))

    @router.post("/services/{name}/rollback", status_code=201)
    def back(name: str, body: RollbackRequest, actor: Annotated[Actor, Depends(can_operate)]) -> RollbackView:
        pointer = roll_back(site, actor, name, to=body.to)
        return RollbackView(
            environment=pointer.environment,
            service=pointer.service,
            model_version_id=pointer.model_version_id,
            previous_version_id=pointer.previous_version_id,
            generation=pointer.generation,
            moved_by=pointer.moved_by,
            moved_at=pointer.moved_at,
        )

    return router


def rollout_view(rollout: Rollout) -> RolloutView:
    """A rollout as it is shown."""
    return RolloutView(
        id=rollout.id,
        revision=rollout.revision,
        revision_id=rollout.revision_id,
        model_version_id=rollout.model_version_id,
        from_revision=rollout.from_revision,
        from_revision_id=rollout.from_revision_id,
        from_version_id=rollout.from_version_id,
        state=rollout.state.value,
        active=rollout.is_active,
        percent=rollout.percent,
        paused=rollout.paused,
        reason=rollout.reason,
        plan=rollout.plan.to_json(),
        canary=_figures_view(rollout.watched.canary),
        stable=_figures_view(rollout.watched.stable),
        held_since=rollout.held_since,
        created_by=rollout.created_by,
        created_at=rollout.created_at,
        changed_by=rollout.changed_by,
        changed_at=rollout.changed_at,
    )


def _traffic_view(found: Traffic) -> TrafficView:
    arms = [
        ArmView(
            revision=arm.revision.number,
            revision_id=arm.revision.id,
            model_label=arm.revision.model_label,
            state=arm.revision.state.value,
            percent=arm.percent,
            figures=_figures_view(arm.figures),
        )
        for arm in found.arms
    ]
    rollout = None if found.rollout is None else rollout_view(found.rollout)
    return TrafficView(service=found.service.name, arms=arms, rollout=rollout)


def _figures_view(figures: Figures) -> FiguresView:
    return FiguresView(
        requests=figures.requests,
        refused=figures.refused,
        failed=figures.failed,
        error_rate=figures.error_rate,
        p50_ms=figures.percentile(50),
        p95_ms=figures.percentile(95),
        p99_ms=figures.percentile(99),
    )
