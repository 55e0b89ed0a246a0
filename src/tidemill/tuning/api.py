"""Routes of tuning."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from tidemill.access import Actor
from tidemill.access.guard import can_read, can_write
from tidemill.base.paging import key_of, page_token
from tidemill.base.site import Site
from tidemill.pipelines import load_pipeline
from tidemill.tuning.cancel import cancel_tuning
from tidemill.tuning.find import get_tuning, list_tunings
from tidemill.tuning.model import Direction, Tuning, TuningRequest
from tidemill.tuning.space import parse_space, space_to_json
from tidemill.tuning.start import start_tuning

Reader = Annotated[Actor, Depends(can_read)]
Writer = Annotated[Actor, Depends(can_write)]


class TuningBody(BaseModel):
    """A tuning to start; `pipeline` is the PipelineSpec as YAML or JSON text."""

    model_config = ConfigDict(extra="forbid")

    pipeline: str = Field(max_length=16_000_000)
    space: dict[str, Any]
    objective: str = Field(max_length=400)
    direction: Direction = Direction.MINIMIZE
    trials: int = Field(default=20, ge=1, le=10_000)
    parallel: int = Field(default=2, ge=1, le=256)
    seed: int = Field(default=0, ge=0, lt=2**31)
    name: str = Field(default="tuning", min_length=1, max_length=100)
    experiment: str = Field(default="Default", min_length=1, max_length=128)
    parameters: dict[str, Any] = Field(default_factory=dict)
    origin: dict[str, Any] = Field(default_factory=dict)


class TrialView(BaseModel):
    """A trial."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    state: str
    parameters: dict[str, Any]
    run_id: str | None
    value: float | None
    reason: str | None
    started_at: datetime
    finished_at: datetime | None


class TuningView(BaseModel):
    """A tuning with its trials; `candidate_run_id` once it succeeded."""

    id: str
    name: str
    state: str
    objective: str
    direction: str
    space: dict[str, Any]
    parameters: dict[str, Any]
    pipeline_digest: str
    trials_wanted: int
    parallel: int
    seed: int
    experiment: str
    trials: list[TrialView]
    best: TrialView | None
    candidate_run_id: str | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    generation: int


class TuningPage(BaseModel):
    """A page of tunings, newest first."""

    items: list[TuningView]
    next_page_token: str | None


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`; the controller's loop advances what they start."""
    router = APIRouter(tags=["tuning"])

    @router.post("/tunings", status_code=201)
    def start(body: TuningBody, actor: Writer) -> TuningView:
        request = TuningRequest(
            **{
                **body.model_dump(),
                "pipeline": load_pipeline(body.pipeline, place="pipeline"),
                "space": parse_space(body.space),
            }
        )
        return _view(start_tuning(site, actor, request))

    @router.get("/tunings")
    def tunings(
        actor: Reader,
        page_size: Annotated[int, Query(ge=1, le=1000)] = 100,
        page_token: Annotated[str | None, Query(max_length=400)] = None,
    ) -> TuningPage:
        found = list_tunings(site, actor, before=key_of(page_token), limit=page_size + 1)
        return TuningPage(items=[_view(one) for one in found[:page_size]], next_page_token=_token(found, page_size))

    @router.get("/tunings/{tuning_id}")
    def tuning(tuning_id: str, actor: Reader) -> TuningView:
        return _view(get_tuning(site, actor, tuning_id))

    @router.post("/tunings/{tuning_id}/cancel")
    def cancel(tuning_id: str, actor: Writer) -> TuningView:
        return _view(cancel_tuning(site, actor, tuning_id))

    return router


def _view(tuning: Tuning) -> TuningView:
    own = {"space", "trials", "best", "state", "direction"}
    return TuningView(
        **{name: getattr(tuning, name) for name in TuningView.model_fields if name not in own},
        state=tuning.state.value,
        direction=tuning.direction.value,
        space=space_to_json(tuning.space),
        trials=[TrialView.model_validate(trial) for trial in tuning.trials],
        best=None if tuning.best is None else TrialView.model_validate(tuning.best),
    )


def _token(found: list[Tuning], page_size: int) -> str | None:
    return page_token(found[page_size - 1].id) if len(found) > page_size else None
