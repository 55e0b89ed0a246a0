"""Routes of triggers: what is declared, what fired, and the ways to fire, pause and foresee one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from tidemill.access import Actor
from tidemill.access.guard import can_administer, can_fire, can_read, can_write, tells_secret
from tidemill.base.errors import TooLarge
from tidemill.base.paging import key_of, page_token
from tidemill.base.site import Site
from tidemill.triggers.approvals import Approvals
from tidemill.triggers.find import get_firing, get_trigger, list_firings, list_triggers
from tidemill.triggers.fire import fire
from tidemill.triggers.model import Firing, Trigger
from tidemill.triggers.pause import pause, resume
from tidemill.triggers.plan_next import is_polled
from tidemill.triggers.preview import Preview, preview
from tidemill.triggers.webhook import MOST_BODY_BYTES, Webhook, take_webhook, webhook_secret

HOOKS = "/api/v1/hooks"
Reader = Annotated[Actor, Depends(can_read)]
Writer = Annotated[Actor, Depends(can_write)]
Name = Annotated[str, "a trigger's name, or PROJECT.NAME"]


class TriggerView(BaseModel):
    """A declared trigger; `looked_at` is when its source was looked at last, `problem` why it could not be."""

    id: str
    project: str
    name: str
    kind: str
    settings: dict[str, Any]
    environment: str
    service: str
    then: str
    repository: str
    branch: str
    concurrency: str
    cooldown_seconds: int
    catch_up: str
    catch_up_limit: int
    source: str
    next_at: datetime | None
    looked_at: datetime | None
    problem: str | None
    failures: int
    paused_by: str | None
    paused_at: datetime | None
    removed_at: datetime | None
    created_by: str
    created_at: datetime
    generation: int


class FiringView(BaseModel):
    """A firing; `reason` says how it ended, or what it waits for."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    trigger_id: str
    trigger: str
    project: str
    kind: str
    cause: dict[str, Any]
    state: str
    reason: str | None
    remedy: str | None
    run_id: str | None
    model_version: str | None
    model_version_id: str | None
    review_id: str | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    generation: int


class TriggerList(BaseModel):
    """The declared triggers of the namespace."""

    items: list[TriggerView]
    next_page_token: None = None


class FiringPage(BaseModel):
    """A page of firings, newest first."""

    items: list[FiringView]
    next_page_token: str | None


class FireBody(BaseModel):
    """Asks a trigger to fire; the same `key` again is the same firing. An Idempotency-Key counts as one."""

    model_config = ConfigDict(extra="forbid")

    key: str | None = Field(default=None, min_length=1, max_length=200)
    note: str = Field(default="", max_length=500)


class PreviewView(BaseModel):
    """What is to be expected of a trigger; `times` are on the clock of its zone."""

    trigger: TriggerView
    times: list[datetime]
    pipeline: str
    spec_digest: str
    review_id: str
    parameters: dict[str, Any]
    data: list[str]
    then: str
    refusal: str
    remedy: str


class SecretView(BaseModel):
    """What a git server is told: where to send its webhook, and the secret to sign it with."""

    path: str
    secret: str


class WebhookView(BaseModel):
    """What a webhook did: a firing, or a look at the branch that comes at once."""

    firing: FiringView | None


def routes(site: Site, approvals: Approvals) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["triggers"])
    _reading(router, site, approvals)
    _changing(router, site, approvals)
    return router


def _reading(router: APIRouter, site: Site, approvals: Approvals) -> None:
    @router.get("/triggers")
    def listing(actor: Reader, project: Annotated[str | None, Query(max_length=63)] = None) -> TriggerList:
        return TriggerList(items=[_view(each) for each in list_triggers(site, actor, project=project)])

    @router.get("/triggers/{name}")
    def show(name: Name, actor: Reader) -> TriggerView:
        return _view(get_trigger(site, actor, name))

    @router.get("/triggers/{name}/firings")
    def firings(
        name: Name,
        actor: Reader,
        page_size: Annotated[int, Query(ge=1, le=500)] = 50,
        page_token: Annotated[str | None, Query(max_length=400)] = None,
    ) -> FiringPage:
        found = list_firings(site, actor, name, before=key_of(page_token), limit=page_size + 1)
        return FiringPage(items=[_firing(each) for each in found[:page_size]], next_page_token=_token(found, page_size))

    @router.get("/triggers/{name}/preview")
    def foresee(name: Name, actor: Reader, count: Annotated[int, Query(ge=1, le=100)] = 5) -> PreviewView:
        return _preview(preview(site, actor, name, approvals, count=count))

    @router.get("/firings/{firing_id}")
    def firing(firing_id: str, actor: Reader) -> FiringView:
        return _firing(get_firing(site, actor, firing_id))


def _changing(router: APIRouter, site: Site, approvals: Approvals) -> None:
    @router.post("/triggers/{name}/fire", status_code=201)
    def fire_it(
        name: Name, request: Request, actor: Annotated[Actor, Depends(can_fire)], body: FireBody | None = None
    ) -> FiringView:
        asked = body or FireBody()
        key = asked.key or request.headers.get("idempotency-key")
        return _firing(fire(site, actor, name, approvals, key=key, note=asked.note))

    @router.post("/triggers/{name}/pause")
    def pause_it(name: Name, actor: Writer) -> TriggerView:
        return _view(pause(site, actor, name))

    @router.post("/triggers/{name}/resume")
    def resume_it(name: Name, actor: Writer) -> TriggerView:
        return _view(resume(site, actor, name))

    @router.post("/triggers/{name}/secret", dependencies=[Depends(tells_secret)])
    def secret(name: Name, actor: Annotated[Actor, Depends(can_administer)]) -> SecretView:
        trigger, told = webhook_secret(site, actor, name)
        return SecretView(path=f"{HOOKS}/{trigger.id}", secret=told)


def hook_routes(site: Site, approvals: Approvals) -> APIRouter:
    """The route of webhooks, whole: a git server has no token, and signs instead."""
    router = APIRouter(tags=["triggers"])

    @router.post(HOOKS + "/{trigger_id}", status_code=202)
    async def hook(trigger_id: str, request: Request) -> WebhookView:
        webhook = Webhook(headers=dict(request.headers), body=await _body(request))
        found = await to_thread.run_sync(lambda: take_webhook(site, approvals, trigger_id, webhook))
        return WebhookView(firing=None if found is None else _firing(found))

    return router


async def _body(request: Request) -> bytes:
    gathered = bytearray()
    async for piece in request.stream():
        gathered += piece
        if len(gathered) > MOST_BODY_BYTES:
            raise TooLarge(f"a webhook has at most {MOST_BODY_BYTES} bytes", place="body")
    return bytes(gathered)


def _view(trigger: Trigger) -> TriggerView:
    spec, action = trigger.spec, trigger.spec.action
    same = {name: getattr(trigger, name) for name in TriggerView.model_fields if name in Trigger.__slots__}
    from_action = {name: getattr(action, name) for name in ("environment", "service", "repository", "branch")}
    from_spec = {name: getattr(spec, name) for name in ("cooldown_seconds", "catch_up_limit")}
    return TriggerView(
        **same,
        **from_action,
        **from_spec,
        project=trigger.project,
        name=trigger.name,
        kind=str(spec.kind),
        looked_at=trigger.planned_at if is_polled(spec) and trigger.cursor is not None else None,
        settings=dict(spec.settings),
        then=action.then.value,
        concurrency=spec.concurrency.value,
        catch_up=spec.catch_up.value,
    )


def _firing(firing: Firing) -> FiringView:
    return FiringView.model_validate(firing)


def _preview(found: Preview) -> PreviewView:
    same = {name: getattr(found, name) for name in PreviewView.model_fields if name not in ("trigger", "times", "data")}
    return PreviewView(**same, trigger=_view(found.trigger), times=list(found.times), data=list(found.data))


def _token(found: list[Firing], page_size: int) -> str | None:
    return page_token(found[page_size - 1].id) if len(found) > page_size else None
