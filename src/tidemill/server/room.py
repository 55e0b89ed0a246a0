"""While the disk of the home is full, only what needs no room is answered: reading, stopping, deciding, deleting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from anyio import to_thread
from starlette.requests import Request

from tidemill.access import Actor
from tidemill.base.ballast import demand_space
from tidemill.base.errors import StorageFull
from tidemill.base.home import Home

NEEDS_ROOM = frozenset({"POST", "PUT", "PATCH"})
"""The methods of requests that are refused, except for the routes below; what is new here asks for room."""

NEEDS_NO_ROOM = frozenset(
    {
        ("POST", "/runs/{run_id}/cancel"),
        ("POST", "/tunings/{tuning_id}/cancel"),
        ("POST", "/triggers/{name}/pause"),
        ("POST", "/triggers/{name}/resume"),
        ("POST", "/triggers/{name}/secret"),
        ("POST", "/reviews/{review_id}/approve"),
        ("POST", "/reviews/{review_id}/reject"),
        ("POST", "/reviews/{review_id}/withdraw"),
        ("POST", "/rollbacks"),
        ("POST", "/services/{name}/rollback"),
        ("POST", "/services/{name}/pause"),
        ("POST", "/model-versions/{reference}/retire"),
        ("POST", "/services/{name}/token"),
        ("POST", "/sign-in-codes"),
        ("POST", "/tokens"),
        ("POST", "/outbox/{effect_id}/retry"),
        ("POST", "/notify/test"),
    }
)
"""Below `/api/v1`; they write a row or two, which the ballast has made room for."""


def room_check(home: Home, find_actor: Callable[[Request], Actor]) -> Callable[[Request], Awaitable[None]]:
    """A dependency of all routes of the slices: raises `StorageFull` for one that needs room while there is none."""

    def check(request: Request) -> None:
        try:
            demand_space(home, 0)
        except StorageFull:
            find_actor(request)  # how it is with the disk is nothing for strangers: they hear that first
            raise

    async def demand_room(request: Request) -> None:
        path = request.scope["route"].path.removeprefix("/api/v1")  # not all versions of FastAPI put it before
        if request.method in NEEDS_ROOM and (request.method, path) not in NEEDS_NO_ROOM:
            await to_thread.run_sync(check, request)

    return demand_room
