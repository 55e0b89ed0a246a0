"""Routes of monitoring: predictions by id, the newest of a service, and the routes of its rooms."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from tidemill.access import Actor
from tidemill.access.guard import can_read
from tidemill.base.site import Site
from tidemill.monitoring import service_api
from tidemill.monitoring.alerts import api as alerts_api
from tidemill.monitoring.feedback import api as feedback_api
from tidemill.monitoring.lineage import trace_prediction
from tidemill.monitoring.model import Prediction
from tidemill.monitoring.predictions import find_prediction, list_predictions
from tidemill.monitoring.truth import api as truth_api


class PredictionView(BaseModel):
    """A logged prediction."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    time: datetime
    namespace: str
    service: str
    service_id: str
    revision_id: str
    revision: str
    model_version_id: str
    protocol: str
    status: int
    latency_us: int
    inputs: Any
    outputs: Any
    error: str | None
    request_id: str | None


class PredictionPage(BaseModel):
    """Some predictions, newest first; `next_page_token` asks for older ones."""

    items: list[PredictionView]
    next_page_token: str | None


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["monitoring"])

    @router.get("/predictions/{prediction_id}")
    def show(prediction_id: str, actor: Annotated[Actor, Depends(can_read)]) -> PredictionView:
        return _view(find_prediction(site, actor, prediction_id))

    @router.get("/predictions/{prediction_id}/lineage")
    def lineage(prediction_id: str, actor: Annotated[Actor, Depends(can_read)]) -> dict[str, Any]:
        return trace_prediction(site, actor, prediction_id)

    @router.get("/services/{name}/predictions")
    def listing(
        name: str,
        actor: Annotated[Actor, Depends(can_read)],
        page_size: Annotated[int, Query(gt=0, le=500)] = 100,
        page_token: str | None = None,
    ) -> PredictionPage:
        found = list_predictions(site, actor, name, before=page_token, limit=page_size + 1)
        items = [_view(each) for each in found[:page_size]]
        return PredictionPage(items=items, next_page_token=items[-1].id if len(found) > page_size else None)

    for room in (service_api, truth_api, alerts_api, feedback_api):
        router.include_router(room.routes(site))
    return router


def _view(prediction: Prediction) -> PredictionView:
    values = asdict(prediction)
    del values["namespace_id"]
    return PredictionView(**values)
