"""A command whose server dies while it answers asks the next one, with the same key when it changes something."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tidemill.access import local_token
from tidemill.base.errors import Unavailable
from tidemill.cli.asking import MAX_LOSSES
from tidemill.cli.connection import Connection
from tidemill.platform import Platform


def _reply(status: bytes, kind: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (status, kind, len(body)) + body


REPLY = _reply(b"200 OK", b"application/json", b'{"answer": 42}')
AT_WORK = _reply(b"409 Conflict", b"application/json", b'{"error": "still_at_work", "message": "at work"}')
LOST_BEHIND = _reply(b"503 Service Unavailable", b"text/plain", b"upstream connect error")


@dataclass
class DyingServer:
    """Hangs up on the first connections after their request came, and answers the later ones."""

    listener: socket.socket
    deaths: int
    replies: list[bytes] = field(default_factory=lambda: [REPLY])
    requests: list[bytes] = field(default_factory=list)

    def serve(self) -> None:
        """Until the listener is closed."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.requests.append(connection.recv(65_536))
                if len(self.requests) > self.deaths:
                    connection.sendall(self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DyingServer]:
    """A server on a unix socket that dies once, named by a home's marker."""
    home = Path(os.environ["TIDEMILL_HOME"])
    home.mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    (home / "site.json").write_text(
        json.dumps({"pid": os.getpid(), "url": "http://127.0.0.1:1", "socket": str(tmp_path / "s")})
    )
    dying = DyingServer(listener=listener, deaths=1)
    thread = threading.Thread(target=dying.serve)
    thread.start()
    yield dying
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection to that server."""
    platform = Platform(home=Path(os.environ["TIDEMILL_HOME"]))
    local_token(platform.site)
    yield Connection(platform)
    platform.site.database.close()


def test_a_question_is_asked_again_when_the_server_died_over_it(server: DyingServer, connection: Connection) -> None:
    assert connection.get("/runs") == {"answer": 42}
    assert len(server.requests) == 2


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_change_is_asked_for_again_with_the_same_key(
    server: DyingServer, connection: Connection, method: str
) -> None:
    body: tuple[dict[str, str], ...] = () if method == "delete" else ({},)
    assert getattr(connection, method)("/services/fuel", *body) == {"answer": 42}
    keys = [_key_of(request) for request in server.requests]
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_an_answer_that_is_not_there_yet_is_waited_for(server: DyingServer, connection: Connection) -> None:
    server.replies = [AT_WORK, AT_WORK, REPLY]
    assert connection.post("/runs", {}) == {"answer": 42}
    assert len({_key_of(request) for request in server.requests}) == 1
    assert len(server.requests) == 4


def test_a_gateway_that_lost_the_server_is_asked_again(server: DyingServer, connection: Connection) -> None:
    server.deaths, server.replies = 0, [LOST_BEHIND, REPLY]
    assert connection.post("/runs", {}) == {"answer": 42}
    assert len({_key_of(request) for request in server.requests}) == 1


def test_no_site_any_more_is_told_of_at_once(
    server: DyingServer, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.deaths = 10
    monkeypatch.setattr("tidemill.cli.connection.live_site", lambda _: None)
    with pytest.raises(Unavailable, match="does not answer"):
        connection.post("/runs", {})
    assert len(server.requests) == 1


def test_a_server_that_dies_over_every_question_is_told_of(server: DyingServer, connection: Connection) -> None:
    server.deaths = 10
    with pytest.raises(Unavailable, match="does not answer"):
        connection.get("/runs")
    assert len(server.requests) == MAX_LOSSES


def _key_of(request: bytes) -> bytes:
    """The idempotency key of a request."""
    (line,) = [line for line in request.splitlines() if line.lower().startswith(b"idempotency-key:")]
    return line


def test_an_upload_is_sent_from_its_beginning_again(server: DyingServer, connection: Connection) -> None:
    asked: list[str] = []

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            asked.append("again")
            yield from (b"one", b"two")

    told = connection.upload("/data/uploads", Pieces(), media_type="application/octet-stream", length_bytes=6)
    assert told == {"answer": 42}
    assert asked == ["again", "again"]
