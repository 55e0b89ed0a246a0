"""The verb predict: one prediction over HTTP, as any client asks for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tidemill.base.errors import InvalidInput, NotFound, TidemillError, Unauthenticated, Unavailable

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """The answers, one per instance, and the id under which they are logged."""

    predictions: list[Any]
    prediction_id: str


def predict(
    site_url: str, *, namespace: str, service: str, token: str, instances: list[Any], client: Any = None
) -> Predicted:
    """The service's predictions for instances (objects by column, or lists in order), through the gateway.

    `client` is an `httpx.Client` to use again. Raises `InvalidInput`, `NotFound`, `Unauthenticated`, `Unavailable`
    with the service's own words.
    """
    import httpx  # 0.1 s: only who asks a service pays

    url = f"{site_url}/serving/{namespace}/{service}/v1/models/{service}:predict"
    headers = {"authorization": f"Bearer {token}"} if token else {}
    body = json.dumps({"instances": instances}).encode()
    try:
        post = httpx.post if client is None else client.post
        reply = post(url, content=body, headers=headers, timeout=TIMEOUT_SECONDS)
    except httpx.HTTPError as problem:
        raise Unavailable(f"the service does not answer: {problem}", place=url, remedy="tidemill status") from problem
    if reply.status_code != 200:
        raise _refusal(reply.status_code, reply.text, url)
    return Predicted(
        predictions=list(reply.json()["predictions"]), prediction_id=str(reply.headers.get("x-request-id", ""))
    )


def _refusal(status: int, text: str, url: str) -> TidemillError:
    try:
        told = str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        told = text[:300] or f"the service answered {status}"
    if status in (400, 413, 415):
        return InvalidInput(told, place=url, remedy="give each column of the model one value of its type")
    if status in (401, 403):
        return Unauthenticated(told, place=url, remedy="tidemill service token NAME makes a prediction token")
    if status == 404:
        return NotFound(told, place=url, remedy="see what is live: tidemill service list")
    return Unavailable(told, place=url, remedy="try again; tidemill service show tells the state")
