"""A command whose server dies while it answers: what only reads is asked again, what changes something is not."""

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
from tidemill.cli.connection import Connection
from tidemill.platform import Platform

ANSWER = b'{"answer": 42}'
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER


@dataclass
class DyingServer:
    """Hangs up on the first connections after their request came, and answers the later ones."""

    listener: socket.socket
    deaths: int
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
                    connection.sendall(REPLY)


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


def test_a_change_is_not_asked_for_twice(server: DyingServer, connection: Connection) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        connection.post("/runs", {})
    assert len(server.requests) == 1


def test_a_server_that_dies_over_every_question_is_told_of(server: DyingServer, connection: Connection) -> None:
    server.deaths = 10
    with pytest.raises(Unavailable, match="does not answer"):
        connection.get("/runs")
    assert len(server.requests) == 2
