"""Routes of tracking: MLflow's pages and API below `/mlflow`, for who may read, or write, here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tidemill.access import Actor
from tidemill.access.guard import can_read
from tidemill.access.model import Permission
from tidemill.base.errors import Forbidden, NotFound
from tidemill.base.home import Home
from tidemill.base.site import Site
from tidemill.tracking.pages import PREFIX
from tidemill.tracking.place import place_of_model, place_of_run
from tidemill.tracking.proxy import Proxy
from tidemill.tracking.rooms import is_open, only_looks

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def mlflow_routes(home: Home, *, is_on: bool) -> APIRouter:
    """The routes below `/mlflow`; without `is_on` they say that MLflow is turned off."""
    router = APIRouter(include_in_schema=False)
    proxy = Proxy(home=home)

    @router.get(PREFIX)
    def enter(_: Annotated[Actor, Depends(can_read)]) -> RedirectResponse:
        return RedirectResponse(f"{PREFIX}/", status_code=307)

    @router.api_route(PREFIX + "/{path:path}", methods=list(METHODS))
    async def forward(path: str, request: Request, actor: Annotated[Actor, Depends(can_read)]) -> Response:
        _demand_mlflow(is_on)
        if not is_open(path):
            return _told("ENDPOINT_NOT_FOUND", f"this site does not pass on {PREFIX}/{path[:200]}", 404)
        if not only_looks(request.method, path):
            try:
                actor.demand(Permission.WRITE)
            except Forbidden as problem:
                return _told("PERMISSION_DENIED", str(problem), 403)
        return await proxy.forward(request, path, actor.namespace_id)

    return router


class MlflowView(BaseModel):
    """Whether this site has an MLflow."""

    on: bool


class PlaceView(BaseModel):
    """Where a thing is in MLflow; `url` is "" unless `state` is `there`, `message` says why MLflow does not start."""

    model_config = ConfigDict(from_attributes=True)

    state: str
    url: str
    message: str


def routes(site: Site, *, is_on: bool) -> APIRouter:
    """The routes below `/api/v1`: asking for a place starts MLflow, and lets it be told."""
    router = APIRouter(tags=["tracking"])

    @router.get("/mlflow")
    def look(_: Annotated[Actor, Depends(can_read)]) -> MlflowView:
        return MlflowView(on=is_on)

    @router.get("/runs/{run_id}/mlflow")
    def of_run(run_id: str, actor: Annotated[Actor, Depends(can_read)]) -> PlaceView:
        _demand_mlflow(is_on)
        return PlaceView.model_validate(place_of_run(site, actor, run_id))

    @router.get("/models/{model}/mlflow")
    def of_model(model: str, actor: Annotated[Actor, Depends(can_read)]) -> PlaceView:
        _demand_mlflow(is_on)
        return PlaceView.model_validate(place_of_model(site, actor, model))

    return router


def _demand_mlflow(is_on: bool) -> None:
    if not is_on:
        raise NotFound("MLflow is turned off here", place="setting mlflow", remedy="set it to true, then up again")


def _told(code: str, message: str, status: int) -> Response:
    """An error as MLflow's clients read it."""
    return JSONResponse({"error_code": code, "message": message}, status_code=status)
