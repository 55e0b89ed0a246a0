"""One HTTP request to a unix socket: to a predictor, or to the gateway's admin interface."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass, field
from pathlib import Path

from tidemill.base.errors import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply; header names in lower case."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, target: str, *, body: bytes | None = None, timeout_seconds: float) -> Answer:
    """The reply to one request on the socket at `path`; `Unavailable` when there is none in time."""
    connection = _UnixConnection(path, timeout_seconds)
    try:
        connection.request(method, target, body=body)
        reply = connection.getresponse()
        headers = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(status=reply.status, body=reply.read(), headers=headers)
    except (OSError, http.client.HTTPException) as problem:
        raise Unavailable(str(problem) or type(problem).__name__, place=str(path)) from problem
    finally:
        connection.close()
