"""The data child: answers the questions of `SiteDvc` on a listening unix socket, with DVC warm from the first on."""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidemill.base.errors import Forbidden, InvalidInput, TidemillError
from tidemill.data.dvc_child import GivenUp
from tidemill.data.dvc_pool import Asked, DvcPool

IDLE_SECONDS = 300.0
DRAIN_SECONDS = 8.0
MOST_CONNECTIONS = 64
MAX_QUESTION_BYTES = 8 << 20
_QUESTION_SECONDS = 10.0
_LOOK_SECONDS = 0.25
log = logging.getLogger(__name__)


def serve_dvc(
    listener: socket.socket,
    find_python: Callable[[], Path],
    dvc_log: Path,
    stop: threading.Event,
    *,
    idle_seconds: float = IDLE_SECONDS,
) -> None:
    """Answer until told to stop, or until nobody has asked for so long; then finish what is under way.

    A connection that comes while this ends stays in the socket for the next process.
    """
    listener.setblocking(False)
    pool = DvcPool(find_python, dvc_log)
    talks: set[threading.Thread] = set()
    last = time.monotonic()
    while not stop.is_set():
        talks = {talk for talk in talks if talk.is_alive()}
        if talks:
            last = time.monotonic()
        elif time.monotonic() - last > idle_seconds:
            break
        if len(talks) < MOST_CONNECTIONS and select.select([listener], [], [], _LOOK_SECONDS)[0]:
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, ConnectionError):
                continue
            talk = threading.Thread(target=_talk, args=(connection, pool), daemon=True)
            talk.start()
            talks.add(talk)
        elif len(talks) >= MOST_CONNECTIONS:
            stop.wait(_LOOK_SECONDS)
    pool.close(DRAIN_SECONDS)
    for talk in talks:
        talk.join(1.0)


def _talk(connection: socket.socket, pool: DvcPool) -> None:
    with connection:
        try:
            answer = _answer(connection, pool)
            connection.settimeout(_QUESTION_SECONDS)
            connection.sendall(answer)
        except GivenUp:
            log.info("who asked has gone; DVC was stopped")
        except OSError as problem:
            log.info("a connection broke: %s", problem)


def _answer(connection: socket.socket, pool: DvcPool) -> bytes:
    try:
        asked = _asked(connection)
        return pool.ask(asked, connection)
    except TidemillError as problem:
        return json.dumps({"refused": problem.to_json()}).encode() + b"\n"


def _asked(connection: socket.socket) -> Asked:
    """The question of one who runs as the same user: its variables may hold secrets, and DVC acts for its caller."""
    connection.settimeout(_QUESTION_SECONDS)
    question = bytearray()
    while not question.endswith(b"\n"):
        piece = connection.recv(1 << 16)
        if not piece:
            raise GivenUp
        question += piece
        if len(question) > MAX_QUESTION_BYTES:
            raise InvalidInput(f"a question has at most {MAX_QUESTION_BYTES} bytes")
    connection.settimeout(None)
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if user != os.getuid():  # said only now: whoever is still sending would not hear it
        raise Forbidden("the site's DVC works for its owner only", remedy="run this as the user who started the site")
    try:
        told: dict[str, Any] = json.loads(question)
        request, variables = told["request"], told["variables"]
        return Asked(
            root=str(request["root"]),
            line=json.dumps(request).encode() + b"\n",
            variables={str(name): str(value) for name, value in variables.items()},
            umask=int(told["umask"]) & 0o777,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise InvalidInput("is no question for DVC", place=f"{problem!r}") from problem
