"""Passes requests on to MLflow's server, on behalf of a namespace; what comes back can do nothing but show MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import httpx
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tidemill.base.home import Home
from tidemill.tracking.pages import PREFIX, page_headers, waiting_page
from tidemill.tracking.serve import WORKSPACE_HEADER, mlflow_socket
from tidemill.tracking.use import note_use

ANSWER_SECONDS = 110.0
"""A little less than MLflow's clients wait: one that comes while MLflow starts is answered, or told to come again."""

LOOK_SECONDS = 1.0
_ASKED = frozenset(
    {
        "accept",
        "accept-encoding",
        "content-type",
        "content-encoding",
        "content-length",
        "range",
        "if-none-match",
        "if-modified-since",
        "x-mlflow-client-version",
        "x-mlflow-experiment-id",
    }
)
_ANSWERED = frozenset(
    {
        "content-type",
        "content-length",
        "content-encoding",
        "content-disposition",
        "content-range",
        "accept-ranges",
        "cache-control",
        "etag",
        "last-modified",
        "vary",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """The way to a site's MLflow; no cookie and no token of the caller goes along."""

    home: Home

    async def forward(self, request: Request, path: str, namespace_id: str) -> Response:
        """MLflow's answer; a page that reloads itself while MLflow starts, and 503 for programs when it takes long."""
        note_use(self.home)
        if _is_visit(request, path) and (said := await self._not_ready()) is not None:
            return waiting_page(said)
        headers = {name: value for name, value in request.headers.items() if name in _ASKED}
        headers |= {"Host": "mlflow", WORKSPACE_HEADER: namespace_id}
        client = self._client(ANSWER_SECONDS)
        target = httpx.URL(f"http://mlflow/{_quoted(path)}", query=request.url.query.encode())
        body = request.stream() if request.method in {"POST", "PUT", "PATCH", "DELETE"} else None
        try:
            answer = await client.send(
                client.build_request(request.method, target, headers=headers, content=body), stream=True
            )
        except httpx.TransportError as problem:
            await client.aclose()
            return _not_now(f"MLflow does not answer yet: {problem}")
        kept = {name: value for name, value in answer.headers.items() if name in _ANSWERED}
        kept |= page_headers(request.headers.get("host", ""))
        if "location" in answer.headers:
            kept["location"] = PREFIX + "/" + answer.headers["location"].removeprefix("http://mlflow").lstrip("/\\")

        async def close() -> None:
            await answer.aclose()
            await client.aclose()

        return StreamingResponse(answer.aiter_raw(), answer.status_code, kept, background=BackgroundTask(close))

    async def _not_ready(self) -> str | None:
        """What to say while MLflow does not answer; None when it does."""
        async with self._client(LOOK_SECONDS) as client:
            try:
                answer = await client.get("http://mlflow/health")
            except httpx.TransportError:
                return ""
        if answer.status_code == 200:
            return None
        try:
            return str(answer.json()["message"])
        except (ValueError, KeyError, TypeError):
            return answer.text

    def _client(self, seconds: float) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(uds=str(mlflow_socket(self.home)))
        return httpx.AsyncClient(transport=transport, timeout=httpx.Timeout(seconds), trust_env=False)


def _not_now(message: str) -> Response:
    told = {"error_code": "TEMPORARILY_UNAVAILABLE", "message": message}
    return JSONResponse(told, status_code=503, headers={"Retry-After": "2"})


def _is_visit(request: Request, path: str) -> bool:
    return request.method == "GET" and path == "" and "text/html" in request.headers.get("accept", "")


def _quoted(path: str) -> str:
    return quote(path, safe="/:@!$&'()*+,;=~")
