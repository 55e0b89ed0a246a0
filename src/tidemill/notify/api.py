"""Routes of who is told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from tidemill.access import Actor
from tidemill.access.guard import can_operate, can_read
from tidemill.base.site import Site
from tidemill.notify.model import NotifyOptions
from tidemill.notify.try_targets import list_targets, try_targets


class TargetView(BaseModel):
    """An address that is told of some events; what is secret in it is not shown."""

    model_config = ConfigDict(from_attributes=True)

    project: str
    notifier: str
    address: str
    events: list[str]


class TriedView(BaseModel):
    """Whether a test message got there; `problem` is null when it did."""

    model_config = ConfigDict(from_attributes=True)

    target: TargetView
    problem: str | None


def routes(site: Site, options: NotifyOptions) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(prefix="/notify", tags=["notify"])

    @router.get("/targets")
    def listing(actor: Annotated[Actor, Depends(can_read)]) -> list[TargetView]:
        return [TargetView.model_validate(each) for each in list_targets(site, actor, options)]

    @router.post("/test")
    def test(actor: Annotated[Actor, Depends(can_operate)]) -> list[TriedView]:
        return [TriedView.model_validate(each) for each in try_targets(site, actor, options)]

    return router
