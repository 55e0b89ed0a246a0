"""The program that holds MLflow's server ends when nobody asks, and never in the middle of an answer."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from tidemill.tracking.program import Use, serve


async def _answer(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def test_it_ends_when_nobody_asked_for_so_long_and_leaves_the_socket_to_the_next(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    inherited = socket.socket(fileno=listener.dup().detach())
    thread = threading.Thread(target=serve, args=(_answer, inherited, 0.5))
    thread.start()
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "s"))) as client:
        assert client.get("http://mlflow/").text == "ok"
    thread.join(30)
    assert not thread.is_alive()
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(str(tmp_path / "s"))  # whoever comes now waits for the next server
    waiting.close()
    listener.close()


def test_a_request_under_way_is_use() -> None:
    async def life() -> None:
        started, go_on = asyncio.Event(), asyncio.Event()

        async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
            started.set()
            await go_on.wait()

        use = Use(slow)
        task = asyncio.create_task(use({"type": "http"}, None, None))
        await started.wait()
        begun = time.monotonic()
        while time.monotonic() == begun:
            await asyncio.sleep(0)
        assert use.idle_seconds() == 0
        go_on.set()
        await task
        begun = time.monotonic()
        while time.monotonic() == begun:
            await asyncio.sleep(0)
        assert use.idle_seconds() > 0

    asyncio.run(life())
