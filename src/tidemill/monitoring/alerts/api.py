"""Routes of alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from tidemill.access import Actor
from tidemill.access.guard import can_operate, can_read
from tidemill.base.paging import key_of, page_token
from tidemill.base.site import Site
from tidemill.monitoring.alerts.change import acknowledge_alert, silence_alert
from tidemill.monitoring.alerts.find import get_alert, list_alerts
from tidemill.monitoring.alerts.model import ACTIVE, Alert, AlertState

Reader = Annotated[Actor, Depends(can_read)]
Operator = Annotated[Actor, Depends(can_operate)]


class AlertView(BaseModel):
    """An alert; `window_id` is its evidence, at `/windows/{window_id}`, "" where the figures at `window_end` are it.

    One about the site itself has no service, environment and revision.
    """

    model_config = ConfigDict(from_attributes=True)

    id: str
    service: str
    environment: str
    revision: str
    revision_id: str
    kind: str
    name: str
    feature: str
    state: str
    value: float
    threshold: float
    window_id: str
    window_start: datetime
    window_end: datetime
    message: str
    raised_at: datetime | None
    resolved_at: datetime | None
    told_at: datetime | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    silenced_by: str | None
    silenced_until: datetime | None
    created_at: datetime


class AlertPage(BaseModel):
    """Some alerts, newest first."""

    items: list[AlertView]
    next_page_token: str | None


class SilenceBody(BaseModel):
    """Until when nobody is told; null ends a silence."""

    model_config = ConfigDict(extra="forbid")

    until: datetime | None


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["monitoring"])

    @router.get("/alerts")
    def listing(
        actor: Reader,
        state: Annotated[list[AlertState] | None, Query(description="left out: pending and raised")] = None,
        service: Annotated[str | None, Query(max_length=63)] = None,
        page_size: Annotated[int, Query(gt=0, le=500)] = 100,
        page_token: Annotated[str | None, Query(max_length=400)] = None,
    ) -> AlertPage:
        found = list_alerts(
            site, actor, states=state or ACTIVE, service=service, before=key_of(page_token), limit=page_size + 1
        )
        items = [_view(each) for each in found[:page_size]]
        return AlertPage(items=items, next_page_token=_token(items) if len(found) > page_size else None)

    @router.get("/alerts/{alert_id}")
    def show(alert_id: str, actor: Reader) -> AlertView:
        return _view(get_alert(site, actor, alert_id))

    @router.post("/alerts/{alert_id}/acknowledge")
    def acknowledge(alert_id: str, actor: Operator) -> AlertView:
        return _view(acknowledge_alert(site, actor, alert_id))

    @router.post("/alerts/{alert_id}/silence")
    def silence(alert_id: str, body: SilenceBody, actor: Operator) -> AlertView:
        return _view(silence_alert(site, actor, alert_id, body.until))

    return router


def _view(alert: Alert) -> AlertView:
    return AlertView.model_validate(alert)


def _token(items: list[AlertView]) -> str:
    return page_token(items[-1].id)
