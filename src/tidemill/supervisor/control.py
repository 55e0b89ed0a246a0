"""The control socket of a running site: one JSON line asked, one answered."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput, TidemillError, Unavailable
from tidemill.base.home import Home

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
TIMEOUT_SECONDS = 120.0
MAX_LINE_BYTES = 1_000_000
log = logging.getLogger(__name__)


def control_path(home: Home) -> Path:
    """Where a site of this home listens for control."""
    return home.sockets / "control.sock"


def ask(home: Home, question: dict[str, Any]) -> dict[str, Any]:
    """Ask the running site of a home; `Unavailable` when it does not answer, or answers with an error."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            connection.connect(str(control_path(home)))
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline(MAX_LINE_BYTES))
    except (OSError, ValueError) as problem:
        raise Unavailable(f"the supervisor does not answer: {problem}", remedy="tidemill up --detach") from problem
    if "error" in answer:
        raise Unavailable(str(answer["error"]))
    return dict(answer)


async def serve_control(listener: socket.socket, answer: Answer) -> asyncio.Server:
    """Answer questions on a listening unix socket until the server is closed."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            try:
                told = await answer(_question(line))
            except TidemillError as problem:
                told = {"error": str(problem)}
            writer.write(json.dumps(told).encode() + b"\n")
            await writer.drain()
        except (ConnectionError, ValueError) as problem:
            log.warning("a control connection broke: %s", problem)
        finally:
            writer.close()

    return await asyncio.start_unix_server(talk, sock=listener, limit=MAX_LINE_BYTES)


def _question(line: bytes) -> dict[str, Any]:
    try:
        question = json.loads(line)
    except ValueError as problem:
        raise InvalidInput("a control question is one line of JSON") from problem
    if not isinstance(question, dict):
        raise InvalidInput("a control question is an object")
    return question
