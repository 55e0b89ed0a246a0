"""Routes of figures."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from tidemill.access import Actor
from tidemill.access.guard import can_read
from tidemill.base.site import Site
from tidemill.figures.board import MOST_SHOWN, Board
from tidemill.figures.scrape import CONTENT_TYPE, Metrics
from tidemill.figures.services import ServiceFigures, service_figures

Reader = Annotated[Actor, Depends(can_read)]
LONGEST_MINUTES = 14 * 24 * 60


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ProcessFiguresView(_View):
    """What a process of the site uses, with those below it; `cpu_percent` of one core."""

    name: str
    state: str
    restarts: int
    processes: int
    cpu_percent: float
    memory_bytes: int


class GpuView(_View):
    """A graphics processor."""

    name: str
    busy_percent: float
    memory_used_bytes: int
    memory_total_bytes: int


class MachineView(_View):
    """The machine; `cpu_percent` of all cores, the disk is the one of the home; null for how long it is on: unknown."""

    cores: int
    cpu_percent: float
    load_1m: float
    memory_total_bytes: int
    memory_available_bytes: int
    disk_total_bytes: int
    disk_free_bytes: int
    uptime_seconds: float | None
    gpus: list[GpuView]


class SampleView(_View):
    """What was used at a moment."""

    at: datetime
    machine: MachineView
    processes: list[ProcessFiguresView]


class ServiceFiguresView(_View):
    """What the predictors of a service use together, and what the gateway counted; null while the gateway is away.

    `revisions` tells which process answers for which revision.
    """

    service: str
    predictors: int
    restarts: int
    cpu_percent: float
    memory_bytes: int
    revisions: dict[str, str]
    requests: int | None
    failed: int | None
    p95_ms: float | None


class SiteFiguresView(SampleView):
    """What is used now, by the services of the namespace, too."""

    services: list[ServiceFiguresView]


def metrics_routes(site: Site, board: Board) -> APIRouter:
    """The route that Prometheus scrapes, with a token like any other program."""
    router = APIRouter(tags=["figures"])
    metrics = Metrics(site, board)

    @router.get("/metrics", include_in_schema=False)
    def scrape(actor: Reader) -> Response:
        return Response(metrics.text(actor), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    return router


def routes(site: Site, board: Board) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(prefix="/figures", tags=["figures"])

    @router.get("")
    def now(actor: Reader) -> SiteFiguresView:
        sample = board.now()
        services: list[ServiceFigures] = service_figures(site, actor, sample)
        shown = SampleView.model_validate(sample).model_dump()
        return SiteFiguresView(**shown, services=[ServiceFiguresView.model_validate(each) for each in services])

    @router.get("/history")
    def history(
        _: Reader,
        minutes: Annotated[int, Query(gt=0, le=LONGEST_MINUTES)] = 60,
        samples: Annotated[int, Query(gt=0, le=MOST_SHOWN, description="how many at most")] = MOST_SHOWN,
    ) -> list[SampleView]:
        return [SampleView.model_validate(each) for each in board.history(minutes, most=samples)]

    return router
