"""Routes of serving: services, their revisions, tokens and pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from tidemill.access import Actor
from tidemill.access.guard import can_read, can_write, tells_secret
from tidemill.base import paging
from tidemill.base.errors import InvalidInput
from tidemill.base.site import Site
from tidemill.serving.apply import apply_service, delete_service
from tidemill.serving.find import get_service, list_revisions, list_services
from tidemill.serving.gateway import Access
from tidemill.serving.live_document import live_document
from tidemill.serving.model import Form, FormField, Revision, Service, ServiceSpec
from tidemill.serving.page import page_file, service_page
from tidemill.serving.rollout.api import RolloutBody, RolloutView, rollout_routes, rollout_view
from tidemill.serving.rollout.find import list_rollouts
from tidemill.serving.rollout.model import Rollout
from tidemill.serving.source import ModelSource
from tidemill.serving.tokens import mint_prediction_token
from tidemill.serving.view import inference_service

ASSETS = "/assets/serving"


class FormFieldBody(BaseModel):
    """How the page asks for one column."""

    model_config = ConfigDict(extra="forbid")

    column: str = Field(min_length=1, max_length=300)
    label: str = ""
    unit: str = ""
    model_unit: str = ""
    example: str = ""


class FormBody(BaseModel):
    """The page of a service."""

    model_config = ConfigDict(extra="forbid")

    title: str = ""
    fields: list[FormFieldBody] = Field(default_factory=list)
    output_label: str = ""
    output_unit: str = ""
    model_output_unit: str = ""


class ServiceBody(BaseModel):
    """What a service shall be."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    environment: str = "production"
    model: str = ""
    model_version: str = ""
    access: Access = Access.TOKEN
    timeout_seconds: float = 30.0
    form: FormBody = Field(default_factory=FormBody)
    rollout: RolloutBody = Field(default_factory=RolloutBody)


class RevisionView(BaseModel):
    """One revision of a service."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    number: int
    model_version_id: str
    model_label: str
    state: str
    message: str
    created_by: str
    created_at: datetime
    changed_at: datetime


class ServiceView(BaseModel):
    """A service as it is."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    name: str
    namespace: str
    path: str
    spec: dict[str, Any]
    generation: int
    observed_generation: int
    ready: bool
    degraded: bool
    reason: str
    message: str
    deleting: bool
    created_by: str
    created_at: datetime
    updated_at: datetime
    revisions: list[RevisionView] = Field(default_factory=list)
    rollout: RolloutView | None = None


class ServicePage(BaseModel):
    """Some services; `next_page_token` asks for the next ones."""

    items: list[ServiceView]
    next_page_token: str | None


class PredictionTokenRequest(BaseModel):
    """How long a prediction token lives."""

    ttl_seconds: int = Field(default=3600, gt=0, le=86_400)


class PredictionTokenView(BaseModel):
    """A token that can only predict, with one service."""

    token: str
    expires_in_seconds: int


def routes(site: Site, source: ModelSource) -> APIRouter:
    """The routes, below `/api/v1`; `source` gives the signature of what is live."""
    router = APIRouter(tags=["serving"])

    @router.get("/services")
    def listing(
        actor: Annotated[Actor, Depends(can_read)],
        page_size: Annotated[int, Query(gt=0, le=500)] = 100,
        page_token: str = "",
    ) -> ServicePage:
        found = list_services(site, actor, after=paging.key_of(page_token) or "", limit=page_size + 1)
        items = [_view(service, []) for service in found[:page_size]]
        more = len(found) > page_size
        return ServicePage(items=items, next_page_token=paging.page_token(items[-1].name) if more else None)

    @router.get("/services/{name}")
    def show(name: str, actor: Annotated[Actor, Depends(can_read)]) -> ServiceView:
        return _shown(site, actor, get_service(site, actor, name))

    @router.put("/services/{name}")
    def apply(
        name: str, body: ServiceBody, request: Request, actor: Annotated[Actor, Depends(can_write)]
    ) -> ServiceView:
        service = apply_service(site, actor, _spec(name, body), generation=_if_match(request))
        return _shown(site, actor, service)

    @router.delete("/services/{name}")
    def remove(name: str, actor: Annotated[Actor, Depends(can_write)], force: bool = False) -> dict[str, bool]:
        return {"gone": delete_service(site, actor, name, force=force) is None}

    @router.get("/services/{name}/status")
    def status(name: str, request: Request, actor: Annotated[Actor, Depends(can_read)]) -> dict[str, Any]:
        service = get_service(site, actor, name)
        url = str(request.base_url).rstrip("/")
        rollout = next(iter(list_rollouts(site, actor, service, limit=1)), None)
        return inference_service(service, list_revisions(site, actor, service), rollout, site_url=url)

    @router.post("/services/{name}/token", status_code=201, dependencies=[Depends(tells_secret)])
    def token(
        name: str, body: PredictionTokenRequest, actor: Annotated[Actor, Depends(can_read)]
    ) -> PredictionTokenView:
        service = get_service(site, actor, name)
        ttl = timedelta(seconds=body.ttl_seconds)
        made = mint_prediction_token(site, actor, namespace=service.namespace, service=name, ttl=ttl)
        return PredictionTokenView(token=made, expires_in_seconds=body.ttl_seconds)

    @router.get("/services/{name}/signature")
    def signature(name: str, actor: Annotated[Actor, Depends(can_read)]) -> dict[str, Any]:
        document = live_document(site, source, get_service(site, actor, name))
        return {key: document[key] for key in ("signature", "columns", "sample") if key in document}

    @router.get("/services/{name}/page", response_class=HTMLResponse)
    def page(name: str, actor: Annotated[Actor, Depends(can_read)]) -> HTMLResponse:
        service = get_service(site, actor, name)
        document = live_document(site, source, service)
        made = ""
        if service.spec.access is Access.TOKEN:
            made = mint_prediction_token(site, actor, namespace=service.namespace, service=name)
        html = service_page(
            service,
            document["signature"],
            service.spec.form,
            assets=ASSETS,
            token=made,
            columns=tuple(document.get("columns") or ()),
        )
        return HTMLResponse(html, headers={"Cache-Control": "no-store"})

    router.include_router(rollout_routes(site))
    return router


def asset_routes() -> APIRouter:
    """The script and the style of the pages, open to all and mounted at the root: they tell nothing of any service."""
    router = APIRouter(tags=["serving"])

    @router.get(ASSETS + "/{name}")
    def asset(name: str) -> Response:
        content, content_type = page_file(name)
        return Response(content, media_type=content_type, headers={"Cache-Control": "max-age=300"})

    return router


def _spec(name: str, body: ServiceBody) -> ServiceSpec:
    fields = tuple(FormField(**item.model_dump()) for item in body.form.fields)
    form = Form(**{**body.form.model_dump(), "fields": fields})
    return ServiceSpec(
        name=name,
        environment=body.environment,
        model=body.model,
        model_version=body.model_version,
        access=body.access,
        timeout_seconds=body.timeout_seconds,
        form=form,
        rollout=body.rollout.plan(),
    )


def _shown(site: Site, actor: Actor, service: Service) -> ServiceView:
    rollouts = list_rollouts(site, actor, service, limit=1)
    return _view(service, list_revisions(site, actor, service), rollouts[0] if rollouts else None)


def _view(service: Service, revisions: list[Revision], rollout: Rollout | None = None) -> ServiceView:
    return ServiceView(
        id=service.id,
        name=service.name,
        namespace=service.namespace,
        path=service.path,
        spec={key: value for key, value in service.spec.to_json().items() if key != "schema_version"},
        generation=service.generation,
        observed_generation=service.observed_generation,
        ready=service.ready,
        degraded=service.is_degraded,
        reason=service.reason.value,
        message=service.message,
        deleting=service.deleting,
        created_by=service.created_by,
        created_at=service.created_at,
        updated_at=service.updated_at,
        revisions=[_revision_view(each) for each in revisions],
        rollout=None if rollout is None else rollout_view(rollout),
    )


def _revision_view(revision: Revision) -> RevisionView:
    return RevisionView(
        id=revision.id,
        number=revision.number,
        model_version_id=revision.model_version_id,
        model_label=revision.model_label,
        state=revision.state.value,
        message=revision.message,
        created_by=revision.created_by,
        created_at=revision.created_at,
        changed_at=revision.changed_at,
    )


def _if_match(request: Request) -> int | None:
    text = request.headers.get("if-match", "").strip('" ')
    if not text:
        return None
    if not text.isdigit():
        raise InvalidInput(f"{text[:40]!r} is no generation", place="header If-Match", remedy="send a number")
    return int(text)
