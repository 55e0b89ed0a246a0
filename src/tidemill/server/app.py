"""The FastAPI app: authentication, error mapping and the slices' routes."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tidemill import __version__
from tidemill.access import Actor, authenticate
from tidemill.access.guard import can_read
from tidemill.base.ballast import Ballast, is_no_space
from tidemill.base.errors import NotFound, StorageFull, TidemillError, TooLarge, Unauthenticated
from tidemill.data.api import UPLOADS_ROUTE
from tidemill.figures import Board
from tidemill.figures import api as figures_api
from tidemill.gate import approved_pipeline
from tidemill.platform import Platform
from tidemill.server.body_limit import MOST_BYTES, BodyLimit
from tidemill.server.dashboard import dashboard_page, dashboard_routes, is_page
from tidemill.server.event_stream import event_routes
from tidemill.server.idempotency import UNSAFE, answer_once
from tidemill.server.mounts import slice_routers
from tidemill.server.origin import OriginCheck
from tidemill.server.outbox_routes import outbox_routes
from tidemill.server.processes import ProcessView, Watch, processes_of
from tidemill.server.room import room_check
from tidemill.server.sign_in import SESSION_COOKIE, signed_in
from tidemill.serving.api import ASSETS, asset_routes
from tidemill.tracking.api import mlflow_routes
from tidemill.tracking.pages import PREFIX as MLFLOW
from tidemill.triggers.api import HOOKS, hook_routes

OPEN_PATHS = frozenset(
    {
        *("/sign-in", "/api/v1/healthz", ASSETS + "/{name}", "/dashboard/{name}", "/favicon.svg"),
        HOOKS + "/{trigger_id}",
    }
)
"""What answers without a token (a webhook carries a signature); a test holds every other route to a guard."""

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
OWN_WAYS = ("/api/v1" + UPLOADS_ROUTE, HOOKS + "/", MLFLOW + "/")
"""No answer is kept for a key here: an upload is too large for that, and sent again it is the same artifact; a git
server's own key says who sent a webhook no more than the rest of it; MLflow knows no such keys."""

log = logging.getLogger(__name__)


def create_app(platform: Platform) -> FastAPI:
    """The app of a site; every route below `/api/v1` names the permission that it asks for."""
    site = platform.site
    app = FastAPI(title="Tidemill", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    hosts = [*platform.settings.text("allowed_hosts").split(","), platform.settings.text("bind")]
    origin = OriginCheck(hosts)

    def find_actor(request: Request) -> Actor:
        known: Actor | None = getattr(request.state, "actor", None)
        if known is None:
            known = authenticate(site, _secret_of(request))
            request.state.actor = known
        return known

    app.state.find_actor = find_actor

    @app.middleware("http")
    async def around(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            origin.check(request)
            is_unsafe, path = request.method in UNSAFE, request.url.path
            if is_unsafe and not path.startswith(HOOKS + "/"):  # nothing that a stranger sends is read
                await to_thread.run_sync(lambda: find_actor(request))
            if is_unsafe and "idempotency-key" in request.headers and not path.startswith(OWN_WAYS):
                response = await answer_once(site, find_actor(request), request, call_next)
            else:
                response = await call_next(request)
        except TidemillError as problem:
            response = _refusal(problem)
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    too_large = _refusal(TooLarge(f"a request has at most {MOST_BYTES} bytes", place="body"))
    too_large.headers.update(SECURITY_HEADERS)
    app.add_middleware(BodyLimit, refusal=too_large, streaming=("/api/v1" + UPLOADS_ROUTE, MLFLOW + "/"))
    _handle_errors(app)
    app.include_router(_own_routes(platform, app))
    demand_room = Depends(room_check(site.home, find_actor))
    for router in slice_routers(platform):
        app.include_router(router, prefix="/api/v1", dependencies=[demand_room])
    app.state.is_ending = lambda: False
    events = event_routes(site, Watch(site), lambda one: authenticate(site, _secret_of(one)))
    app.include_router(events, prefix="/api/v1")
    app.state.board = Board(site.home, site.clock, lambda: processes_of(platform.home))
    app.include_router(figures_api.routes(site, app.state.board), prefix="/api/v1")
    app.include_router(figures_api.metrics_routes(site, app.state.board))
    app.include_router(outbox_routes(site), prefix="/api/v1", dependencies=[demand_room])
    is_on = platform.settings.is_on("mlflow")
    app.include_router(mlflow_routes(site.home, is_on=is_on), dependencies=[demand_room])
    app.include_router(asset_routes())
    app.include_router(dashboard_routes())
    app.include_router(hook_routes(site, approved_pipeline))
    return app


def _own_routes(platform: Platform, app: FastAPI) -> APIRouter:
    router = APIRouter(tags=["site"])

    @router.get("/sign-in", include_in_schema=False)
    def sign_in(code: str, then: str = "/") -> RedirectResponse:
        return signed_in(platform.site, code, then)

    @router.get("/api/v1/healthz")
    def healthz() -> dict[str, str]:
        platform.site.database.check()
        floor_bytes = platform.settings.number("free_space_floor_bytes")
        storage = Ballast(home=platform.home).look(floor_bytes)
        told = {"status": "ok", "version": __version__, "storage": storage.state.value}
        if storage.refusal is not None:  # its place, a path, is nothing for strangers
            told |= {"message": storage.refusal.message, "remedy": storage.refusal.remedy or ""}
        return told

    @router.get("/api/v1/processes")
    def processes(_: Annotated[Actor, Depends(can_read)]) -> list[ProcessView]:
        return [ProcessView(**each) for each in processes_of(platform.home)]

    @router.get("/api/v1/openapi.json", include_in_schema=False)
    def openapi(_: Annotated[Actor, Depends(can_read)]) -> dict[str, Any]:
        return app.openapi()

    return router


def _secret_of(request: Request) -> str:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if not scheme and SESSION_COOKIE in request.cookies:
        return request.cookies[SESSION_COOKIE]
    if scheme.lower() != "bearer" or not secret:
        raise Unauthenticated(
            "this needs a token",
            place="header Authorization",
            remedy="send Authorization: Bearer TOKEN; see tidemill env",
        )
    return secret.strip()


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(TidemillError)
    async def known(_request: Request, problem: TidemillError) -> Response:
        return _refusal(problem)

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, problem: RequestValidationError) -> Response:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return _answer({"error": "invalid_input", "message": first["msg"], "place": place, "remedy": None}, 400)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, problem: HTTPException) -> Response:
        if problem.status_code == 404 and request.method in ("GET", "HEAD") and is_page(request.url.path):
            return dashboard_page()
        if problem.status_code == 404:
            return _refusal(NotFound(f"there is nothing at {request.url.path}"))
        body = {"error": "http", "message": str(problem.detail), "place": None, "remedy": None}
        return JSONResponse(body, status_code=problem.status_code, headers=problem.headers)

    @app.exception_handler(OSError)
    async def of_system(_request: Request, problem: OSError) -> Response:
        if not is_no_space(problem):
            raise problem
        return _refusal(StorageFull("the disk is full", remedy="free some space, then do it again"))

    @app.exception_handler(Exception)
    async def unknown(_request: Request, problem: Exception) -> JSONResponse:
        log.error("a request failed", exc_info=problem)
        body = {
            "error": "internal",
            "message": "the site made a mistake; its log says more",
            "place": None,
            "remedy": None,
        }
        return JSONResponse(body, status_code=500)


def _refusal(problem: TidemillError) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if problem.http_status == 401 else None
    if problem.http_status in (429, 503):
        headers = {"Retry-After": "1"}
    return _answer(problem.to_json(), problem.http_status, headers)


def _answer(body: dict[str, Any], status: int, headers: Mapping[str, str] | None = None) -> Response:
    """As JSON in ASCII: it may name what somebody sent, and not all of that is text."""
    return Response(json.dumps(body), status, headers, media_type="application/json")
