"""The dashboard: built files that a browser keeps, and one page for all addresses of it."""

from __future__ import annotations

import secrets
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from tidemill.base.errors import NotFound
from tidemill.server.front_page import front_page

KEEP = "public, max-age=31536000, immutable"
PLACES = frozenset({"api", "apis", "serving", "assets", "dashboard", "mlflow", "jupyter", "metrics", "sign-in"})
"""First parts of addresses that are not the dashboard's."""

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
_NONCE = '<meta name="csp-nonce" content="" />'


def built() -> Traversable:
    """The folder of the built files; a source tree that was not set up has none."""
    return files("tidemill.server") / "static"


def dashboard_routes() -> APIRouter:
    """The routes of its files."""
    router = APIRouter(include_in_schema=False)

    @router.get("/dashboard/{name}")
    def asset(name: str) -> Response:
        return _file(built() / "dashboard", name)

    @router.get("/favicon.svg")
    def icon() -> Response:
        return _file(built(), "favicon.svg")

    return router


def is_page(path: str) -> bool:
    """Whether an address that no route has is one of the dashboard's, which knows its own."""
    return path.lstrip("/").partition("/")[0] not in PLACES


def dashboard_page() -> HTMLResponse:
    """The one page, with a nonce for the style sheets that it makes itself."""
    index = built() / "index.html"
    if not index.is_file():
        return HTMLResponse(front_page())
    nonce = secrets.token_urlsafe(16)
    text = index.read_text(encoding="utf-8").replace(_NONCE, f'<meta name="csp-nonce" content="{nonce}" />')
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; "
        "font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"})


def _file(folder: Traversable, name: str) -> Response:
    suffix = name[name.rfind(".") :] if "." in name else ""
    if suffix not in _TYPES or "/" in name or name.startswith("."):
        raise NotFound(f"there is no file {name[:200]!r}")
    file = folder / name
    if not file.is_file():
        raise NotFound(f"there is no file {name[:200]!r}")
    keep = KEEP if folder.name == "dashboard" else "public, max-age=86400"
    return Response(file.read_bytes(), media_type=_TYPES[suffix], headers={"Cache-Control": keep})
