"""How MLflow's pages stand beside ours: what they may ask for, and what is shown until they are there."""

from __future__ import annotations

import re
from html import escape

from starlette.responses import HTMLResponse, Response

from tidemill.base.errors import InvalidInput

PREFIX = "/mlflow"
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](?::[0-9]{1,5})?")


def page_headers(host: str) -> dict[str, str]:
    """What keeps MLflow's pages to themselves: they stand on the address of the dashboard, whose visitors may approve.

    A script in them asks for nothing outside `/mlflow/`, opens no window and frames nothing of ours; only MLflow's own
    files are scripts. Raises `InvalidInput` for a host that is none.
    """
    if not _HOST.fullmatch(host):
        raise InvalidInput("this is no host", place="header Host")
    own, files = f"{host}{PREFIX}/", f"{host}{PREFIX}/static-files/"
    policy = {
        "default-src": "'none'",
        "script-src": f"{files} 'wasm-unsafe-eval'",
        "style-src": f"{files} 'unsafe-inline'",
        "img-src": f"{own} data: blob:",
        "font-src": f"{files} data:",
        "media-src": f"{own} blob:",
        "connect-src": f"{own} blob: data:",
        "worker-src": f"{files} blob:",
        "manifest-src": files,
        "frame-src": f"{files} blob:",
        "form-action": own,
        "base-uri": "'none'",
        "frame-ancestors": own,
        "sandbox": "allow-scripts allow-same-origin allow-forms allow-downloads allow-modals",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def waiting_page(problem: str) -> Response:
    """The page that is shown until MLflow answers; `problem` says why it cannot."""
    said = (
        f"<p>It could not be started: {escape(problem[:2000])}</p><p>It is tried again.</p>"
        if problem
        else "<p>It takes some 15 seconds. The first time its libraries are fetched, which takes a minute or two.</p>"
    )
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>MLflow</title></head><body><h1>MLflow is starting</h1>{said}"
        "<p>This page reloads itself.</p></body></html>",
        status_code=503,
        headers={"Refresh": "10" if problem else "2", "Cache-Control": "no-store"},
    )
