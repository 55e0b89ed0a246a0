"""The outbox for who looks after a site: what waits, what was given up and why; tried again, or dropped."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from tidemill.access import Actor
from tidemill.access.guard import can_operate, can_read
from tidemill.base.errors import InvalidInput
from tidemill.base.outbox import EffectState, drop_effect, list_effects, retry_effect
from tidemill.base.paging import key_of
from tidemill.base.paging import page_token as cursor
from tidemill.base.site import Site

Operator = Annotated[Actor, Depends(can_operate)]


class EffectView(BaseModel):
    """An effect; what is sent is not shown, it may hold secrets."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    topic: str
    lane: str
    idempotency_key: str
    state: str
    attempts: int
    next_attempt_at: datetime
    last_error: str | None
    ended_at: datetime | None
    created_by: str
    created_at: datetime


class EffectPage(BaseModel):
    """Some effects, newest first."""

    items: list[EffectView]
    next_page_token: str | None


def outbox_routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(prefix="/outbox", tags=["site"])

    @router.get("")
    def listing(
        actor: Annotated[Actor, Depends(can_read)],
        state: Annotated[list[EffectState] | None, Query(description="left out: waiting and dead")] = None,
        page_size: Annotated[int, Query(gt=0, le=500)] = 100,
        page_token: Annotated[str | None, Query(max_length=400)] = None,
    ) -> EffectPage:
        states = state or (EffectState.WAITING, EffectState.DEAD)
        before = _number(page_token)
        found = list_effects(site, actor.namespace_id, states=states, before=before, limit=page_size + 1)
        items = [EffectView.model_validate(each) for each in found[:page_size]]
        more = cursor(str(found[page_size - 1].number)) if len(found) > page_size else None
        return EffectPage(items=items, next_page_token=more)

    @router.post("/{effect_id}/retry")
    def retry(effect_id: str, actor: Operator) -> EffectView:
        return EffectView.model_validate(retry_effect(site, actor.namespace_id, effect_id))

    @router.delete("/{effect_id}", status_code=204)
    def drop(effect_id: str, actor: Operator) -> None:
        drop_effect(site, actor.namespace_id, effect_id)

    return router


def _number(page_token: str | None) -> int | None:
    key = key_of(page_token)
    if key is None:
        return None
    if not key.isdecimal() or len(key) > 18:
        raise InvalidInput("is not a page token of this list", place="page_token")
    return int(key)
