"""How a route says what it asks for; the server refuses a route that does not say."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from tidemill.access.model import Actor, Permission
from tidemill.base.errors import Unauthenticated


class Guard:
    """A FastAPI dependency that gives the actor of a request who holds a permission."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> Actor:
        """The actor that the server's authentication put on the request; `Unauthenticated` or `Forbidden` else."""
        find: Callable[[Request], Actor] | None = getattr(request.app.state, "find_actor", None)
        if find is None:
            raise Unauthenticated("this site has no authentication set up")
        actor = find(request)
        actor.demand(self.permission)
        return actor


can_read = Guard(Permission.READ)
can_write = Guard(Permission.WRITE)
can_fire = Guard(Permission.FIRE)
can_approve = Guard(Permission.APPROVE)
can_operate = Guard(Permission.OPERATE)
can_administer = Guard(Permission.ADMINISTER)


def tells_secret(response: Response) -> None:
    """A FastAPI dependency of routes whose answer holds a secret: nobody keeps it, the server neither."""
    response.headers["Cache-Control"] = "no-store"
