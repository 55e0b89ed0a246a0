"""The events of a site for those who watch it: a list, and a stream of server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import StreamingResponse

from tidemill.access import Actor
from tidemill.access.guard import can_read
from tidemill.base.errors import TidemillError
from tidemill.base.events import Event, events_after
from tidemill.base.site import Site
from tidemill.server.processes import Watch

LOOK_SECONDS = 0.25
TOKEN_SECONDS = 5.0
"""How often the token of a stream is looked at again: one that was revoked hears nothing more."""

QUIET_SECONDS = 10.0
MOST_AT_ONCE = 200
Authenticate = Callable[[Request], Actor]


class EventView(BaseModel):
    """Something that happened."""

    number: int
    kind: str
    subject_id: str
    data: dict[str, Any]
    created_by: str
    created_at: datetime


def event_routes(site: Site, watch: Watch, authenticate: Authenticate) -> APIRouter:
    """The routes, below `/api/v1`; `authenticate` looks at a request's token anew."""
    router = APIRouter(prefix="/events", tags=["site"])

    @router.get("")
    def events(
        actor: Annotated[Actor, Depends(can_read)],
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        kind: Annotated[list[str] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[EventView]:
        with site.database.read() as connection:
            found = events_after(
                connection, namespace_id=actor.namespace_id, number=after, kinds=tuple(kind or ()), limit=limit
            )
        return [_view(event) for event in found]

    @router.get("/stream", response_class=StreamingResponse, include_in_schema=False)
    async def stream(request: Request, actor: Annotated[Actor, Depends(can_read)]) -> StreamingResponse:
        """`site` messages are events, `processes` the processes of the site when they changed."""
        asked = request.headers.get("last-event-id", "")
        after = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else None
        listener = Listener(site, watch, actor.namespace_id, after)
        told = listener.told(lambda: authenticate(request), lambda: bool(request.app.state.is_ending()))
        return StreamingResponse(told, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return router


class Listener:
    """One who listens; from the event `after` on, or from now on."""

    def __init__(self, site: Site, watch: Watch, namespace_id: str, after: int | None) -> None:
        self._site = site
        self._watch = watch
        self._namespace_id = namespace_id
        self._after = after
        self._processes: list[dict[str, Any]] | None = None

    async def told(self, still_may: Callable[[], Actor], is_ending: Callable[[], bool]) -> AsyncIterator[str]:
        """Messages, until the site ends or the listener may not listen any more."""
        clock = asyncio.get_running_loop().time
        checked = spoke = clock()
        yield "retry: 1000\n\n"
        while not is_ending():
            if clock() - checked > TOKEN_SECONDS:
                checked = clock()
                if not await to_thread.run_sync(_may, still_may):
                    return
            news = await self._news()
            if news:
                spoke = clock()
                yield news
            elif clock() - spoke > QUIET_SECONDS:
                spoke = clock()
                yield ": nothing new\n\n"
            await asyncio.sleep(LOOK_SECONDS)

    async def _news(self) -> str:
        seen = await self._watch.look()
        said = []
        if seen.processes != self._processes:
            self._processes = seen.processes
            said.append(f"event: processes\ndata: {json.dumps(seen.processes)}\n\n")
        if self._after is None:
            self._after = seen.last_event
        elif self._after < seen.last_event:
            for event in await to_thread.run_sync(self._read, self._after):
                self._after = event.number
                said.append(f"id: {event.number}\nevent: site\ndata: {_view(event).model_dump_json()}\n\n")
            self._after = max(self._after, seen.last_event) if len(said) < MOST_AT_ONCE else self._after
        return "".join(said)

    def _read(self, after: int) -> list[Event]:
        with self._site.database.read() as connection:
            return events_after(connection, namespace_id=self._namespace_id, number=after, limit=MOST_AT_ONCE)


def _may(still_may: Callable[[], Actor]) -> bool:
    try:
        still_may()
    except TidemillError:
        return False
    return True


def _view(event: Event) -> EventView:
    return EventView(**{name: getattr(event, name) for name in EventView.model_fields})
