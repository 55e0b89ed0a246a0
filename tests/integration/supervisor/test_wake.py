"""A process that nobody needs yet is not there: the first connection starts it, and the next one after it ended."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tidemill.supervisor.model import ProcessSpec, ProcessState
from tidemill.supervisor.process import Process
from tidemill.supervisor.sockets import listen_unix

PROGRAM = """
import os, socket, sys, time
listener = socket.socket(fileno=int(sys.argv[1]))
listener.setblocking(True)
connection, _ = listener.accept()
word = connection.recv(5)
if word == b"crash":
    os._exit(1)
connection.sendall(str(os.getpid()).encode())
connection.close()
if word == b"stay":
    time.sleep(60)
"""


async def _ask(path: Path, word: bytes) -> int | None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(word)
    try:
        answer = await reader.read()
    except ConnectionError:
        answer = b""
    writer.close()
    return int(answer) if answer else None


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def _life(folder: Path) -> None:
    listener = listen_unix(folder / "s")
    argv = (sys.executable, "-c", PROGRAM, str(listener.fileno()))
    spec = ProcessSpec(name="woken", argv=argv, inherited=(listener.fileno(),), woken_by=listener.fileno())
    process = Process(spec, folder / "log")
    await process.start()
    assert (process.status.state, process.status.pid) == (ProcessState.IDLE, None)

    first = await _ask(folder / "s", b"hello")
    await _until(lambda: process.status.state is ProcessState.IDLE)
    second = await _ask(folder / "s", b"hello")
    assert first is not None
    assert second not in (None, first)
    assert process.status.restarts == 0

    await _until(lambda: process.status.state is ProcessState.IDLE)
    assert await _ask(folder / "s", b"crash") is None
    await _until(lambda: process.status.restarts == 1)
    third = await _ask(folder / "s", b"stay")
    assert process.status.pid == third
    await process.stop()
    assert (process.status.state, process.status.pid) == (ProcessState.STOPPED, None)

    await process.start()
    await process.stop()
    assert process.status.state is ProcessState.STOPPED
    listener.close()


def test_it_is_started_by_who_asks_and_ends_when_it_likes(tmp_path: Path) -> None:
    asyncio.run(_life(tmp_path))


def test_the_socket_of_a_process_is_for_its_owner_only(tmp_path: Path) -> None:
    with listen_unix(tmp_path / "s") as listener:
        assert listener.family == socket.AF_UNIX
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
