"""Routes of the project file: what was applied, what an apply would do, and the apply itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from tidemill.access import Actor
from tidemill.access.guard import can_read, can_write
from tidemill.base.errors import InvalidInput
from tidemill.base.paging import key_of, page_token
from tidemill.base.site import Site
from tidemill.project.apply import apply_project
from tidemill.project.compare import Plan
from tidemill.project.find import get_applied, list_applied, list_generations
from tidemill.project.model import AppliedProject, ApplyRequest, Generation
from tidemill.project.plan import plan_project

Reader = Annotated[Actor, Depends(can_read)]
Writer = Annotated[Actor, Depends(can_write)]
PageSize = Annotated[int, Query(ge=1, le=500)]
PageToken = Annotated[str | None, Query(max_length=400)]


class ProjectBody(BaseModel):
    """A file to plan: its tables as JSON without `[settings]`, and the generation that it comes from."""

    model_config = ConfigDict(extra="forbid")

    document: dict[str, Any]
    base: int | None = Field(default=None, ge=0, description="left out: that of If-Match, else none")
    file: str = Field(default="", max_length=1024, description="where the file lies")
    commit: str | None = Field(default=None, max_length=64, description="the commit that brought the file as it is")


class ProjectApplyBody(ProjectBody):
    """A file to apply; `force` takes back what others applied since its base."""

    force: bool = False


class GenerationView(BaseModel):
    """One apply that changed what a project declares."""

    model_config = ConfigDict(from_attributes=True)

    project: str
    number: int
    digest: str
    file: str
    commit: str | None
    created_by: str
    created_at: datetime


class GenerationPage(BaseModel):
    """Some generations; `next_page_token` asks for the next ones."""

    items: list[GenerationView]
    next_page_token: str | None


class ProjectView(GenerationView):
    """What a generation declared."""

    document: dict[str, Any]


class FieldChangeView(BaseModel):
    """A field that an apply changes; `given_up` when the file names it no longer."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    old: Any
    new: Any
    given_up: bool
    drifted: bool


class RunTimeChangeView(BaseModel):
    """A field that is not as it was applied; one that `stays` is declared by no file."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    applied: Any
    live: Any
    stays: bool


class ForeignChangeView(BaseModel):
    """A field that another apply set, and that this file would take back."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    old: Any
    new: Any
    by: str
    at: datetime
    generation: int


class PlanView(BaseModel):
    """What an apply would do; `applied` is the newest generation, null before the first."""

    model_config = ConfigDict(from_attributes=True)

    project: str
    applied: GenerationView | None
    base: int
    changes: list[FieldChangeView]
    at_run_time: list[RunTimeChangeView]
    by_others: list[ForeignChangeView]
    released: list[str]


class AppliedView(BaseModel):
    """The generation that stands now, and the plan that was carried out."""

    generation: GenerationView
    plan: PlanView


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["project"])

    @router.get("/projects")
    def listing(actor: Reader, page_size: PageSize = 100, page_token: PageToken = None) -> GenerationPage:
        found = list_applied(site, actor, after=key_of(page_token) or "", limit=page_size + 1)
        return _page(found, page_size, [each.project for each in found])

    @router.get("/projects/{name}")
    def show(name: str, actor: Reader) -> ProjectView:
        return _view(get_applied(site, actor, name))

    @router.get("/projects/{name}/generations")
    def generations(
        name: str, actor: Reader, page_size: PageSize = 100, page_token: PageToken = None
    ) -> GenerationPage:
        before = _number(key_of(page_token))
        found = list_generations(site, actor, name, before=before, limit=page_size + 1)
        return _page(found, page_size, [str(each.number) for each in found])

    @router.get("/projects/{name}/generations/{number}")
    def generation(name: str, number: Annotated[int, Path(ge=0, lt=2**31)], actor: Reader) -> ProjectView:
        return _view(get_applied(site, actor, name, number))

    @router.post("/projects/{name}/plan")
    def plan(name: str, body: ProjectBody, actor: Reader) -> PlanView:
        return _plan(plan_project(site, actor, name, _request(body, None)))

    @router.put("/projects/{name}")
    def apply(name: str, body: ProjectApplyBody, request: Request, actor: Writer) -> AppliedView:
        expected = _if_match(request)
        asked = _request(body, expected)
        done, planned = apply_project(site, actor, name, asked, generation=expected, force=body.force)
        return AppliedView(generation=GenerationView.model_validate(done), plan=_plan(planned))

    return router


def _request(body: ProjectBody, expected: int | None) -> ApplyRequest:
    base = body.base if body.base is not None else expected or 0
    return ApplyRequest(document=body.document, base=base, file=body.file, commit=body.commit)


def _view(applied: AppliedProject) -> ProjectView:
    header = GenerationView.model_validate(applied.generation).model_dump()
    return ProjectView(**header, document=dict(applied.document))


def _plan(plan: Plan) -> PlanView:
    return PlanView.model_validate(plan)


def _page(found: list[Generation], page_size: int, keys: list[str]) -> GenerationPage:
    return GenerationPage(
        items=[GenerationView.model_validate(each) for each in found[:page_size]],
        next_page_token=page_token(keys[page_size - 1]) if len(found) > page_size else None,
    )


def _number(key: str | None) -> int | None:
    if key is None:
        return None
    if not key.isdecimal():
        raise InvalidInput("is not a page token of this list", place="page_token")
    return int(key)


def _if_match(request: Request) -> int | None:
    text = request.headers.get("if-match", "").strip('" ')
    if not text:
        return None
    if not text.isdecimal():
        raise InvalidInput(f"{text[:40]!r} is no generation", place="header If-Match", remedy="send a number")
    return int(text)
