"""Bodies of requests: nothing is read of what a stranger sends, and not without end of what anybody sends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio
import pytest
from starlette.types import Message

from tidemill.access import local_token
from tidemill.platform import Platform
from tidemill.server.app import create_app
from tidemill.server.body_limit import MOST_BYTES

PIECE = b" " * (1 << 20)


class _Endless:
    """A caller whose body does not end; `pieces` of it were taken."""

    def __init__(self, platform: Platform) -> None:
        self._app = create_app(platform)
        self.pieces = 0
        self.status = 0
        self.body = b""

    def post(self, path: str, headers: Mapping[str, str]) -> Any:
        """Send, until the site answers; what it said."""
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [
                (name.lower().encode(), value.encode()) for name, value in {"Host": "localhost", **headers}.items()
            ],
        }
        anyio.run(self._app, scope, self._receive, self._send)
        return json.loads(self.body)

    async def _receive(self) -> Message:
        self.pieces += 1
        assert self.pieces <= 2 * MOST_BYTES // len(PIECE), "it is read without end"
        return {"type": "http.request", "body": PIECE, "more_body": True}

    async def _send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Idempotency-Key": "k1"}])
@pytest.mark.parametrize("path", ["/api/v1/tokens", "/api/v1/triggers/x/fire", "/api/v1/data/uploads", "/nothing"])
def test_nothing_is_read_of_what_a_stranger_sends(platform: Platform, headers: dict[str, str], path: str) -> None:
    caller = _Endless(platform)
    caller.post(path, headers)
    assert caller.status == 401
    assert caller.pieces == 0


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k1"}])
def test_a_body_without_end_is_refused_where_the_limit_is(platform: Platform, headers: dict[str, str]) -> None:
    caller = _Endless(platform)
    token = {"Authorization": f"Bearer {local_token(platform.site)}"}
    told = caller.post("/api/v1/tokens", {**headers, **token, "Content-Type": "application/json"})
    assert (caller.status, told["error"]) == (413, "too_large")
    assert str(MOST_BYTES) in told["message"]
    assert caller.pieces == MOST_BYTES // len(PIECE) + 1
