"""Routes of ground truth."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from tidemill.access import Actor
from tidemill.access.guard import can_read, can_write
from tidemill.base.site import Site
from tidemill.monitoring.truth import store
from tidemill.monitoring.truth.deliver import MOST_ITEMS, deliver_truth
from tidemill.monitoring.truth.model import Delivery, TruthItem
from tidemill.serving import get_service

Value = StrictBool | StrictInt | StrictFloat | StrictStr


class TruthItemBody(BaseModel):
    """The true value of one row; one of `prediction_id`, `request_id` and `key` says which."""

    model_config = ConfigDict(extra="forbid")

    value: Value
    prediction_id: str | None = Field(default=None, max_length=1000)
    request_id: str | None = Field(default=None, max_length=1000)
    key: str | None = Field(default=None, max_length=1000)
    row: int = Field(default=0, ge=0, le=1_000_000, description="in a request with several rows, from 0")
    time: datetime | None = Field(default=None, description="with a key: the newest prediction until then")


class TruthBody(BaseModel):
    """A batch of ground truth."""

    model_config = ConfigDict(extra="forbid")

    items: list[TruthItemBody] = Field(max_length=MOST_ITEMS)


class CorrectionView(BaseModel):
    """A value that contradicts what was said before."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    was: Value
    now: Value


class DeliveryView(BaseModel):
    """What became of a batch; `unknown_names` and `corrections` are the first of them."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    received: int
    new: int
    repeated: int
    corrected: int
    unknown: int
    unknown_names: list[str]
    corrections: list[CorrectionView]
    created_by: str
    created_at: datetime


class DeliveryList(BaseModel):
    """The newest batches of a service."""

    items: list[DeliveryView]
    next_page_token: None = None


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["monitoring"])

    @router.post("/services/{name}/truth")
    def deliver(name: str, body: TruthBody, actor: Annotated[Actor, Depends(can_write)]) -> DeliveryView:
        items = [TruthItem(**each.model_dump()) for each in body.items]
        return _view(deliver_truth(site, actor, name, items))

    @router.get("/services/{name}/truth")
    def deliveries(
        name: str,
        actor: Annotated[Actor, Depends(can_read)],
        page_size: Annotated[int, Query(gt=0, le=500)] = 100,
    ) -> DeliveryList:
        service = get_service(site, actor, name)
        with site.database.read() as connection:
            found = store.deliveries_of(connection, actor.namespace_id, service.id, limit=page_size)
        return DeliveryList(items=[_view(each) for each in found])

    return router


def _view(delivery: Delivery) -> DeliveryView:
    return DeliveryView.model_validate(delivery)
