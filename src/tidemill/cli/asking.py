"""Asking again: a request that was lost with its server goes to the next one, under the same idempotency key."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from tidemill.base.errors import StillAtWork

LOST_SECONDS = 15.0
"""How long a request waits for another server, counted from the loss of the first one."""

AT_WORK_SECONDS = 300.0
MAX_LOSSES = 3
"""A request that takes so many servers with it is not sent once more."""

PAUSE_SECONDS = 0.2
_LOST = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


def ask_until_answered(ask: Callable[[], httpx.Response], *, is_site_there: Callable[[], bool]) -> httpx.Response:
    """The answer to `ask`, asked again when the connection was lost over it; an unsafe request must carry a key.

    A connection that was never made is no loss. Raises what `ask` raises, after `LOST_SECONDS`, `MAX_LOSSES`, or at
    once when no site is there any more.
    """
    try:
        response = ask()
    except _LOST:
        if not is_site_there():
            raise
    else:
        if not _is_of_gateway(response):
            return response
    return _ask_again(ask, is_site_there)


def _ask_again(ask: Callable[[], httpx.Response], is_site_there: Callable[[], bool]) -> httpx.Response:
    since, losses = time.monotonic(), 1
    while True:
        time.sleep(PAUSE_SECONDS)
        waited = time.monotonic() - since
        try:
            response = ask()
        except (*_LOST, httpx.ConnectError) as problem:
            losses += not isinstance(problem, httpx.ConnectError)
            if waited > LOST_SECONDS or losses >= MAX_LOSSES or not is_site_there():
                raise
            continue
        is_early = _is_of_gateway(response) and waited < LOST_SECONDS
        if not is_early and not (_is_at_work(response) and waited < AT_WORK_SECONDS):
            return response


def _is_of_gateway(response: httpx.Response) -> bool:
    """True when a gateway says that it lost the site: the site itself speaks JSON."""
    is_json = response.headers.get("content-type", "").startswith("application/json")
    return response.status_code in {502, 503, 504} and not is_json


def _is_at_work(response: httpx.Response) -> bool:
    """True when a server is still about the request that was lost on the way."""
    return response.status_code == StillAtWork.http_status and response.json().get("error") == StillAtWork.code
