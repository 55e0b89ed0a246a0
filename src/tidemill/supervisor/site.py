"""A running site: its processes brought up in order, watched, and drained in order."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from tidemill.base.errors import InvalidInput, Unavailable
from tidemill.base.home import make_sockets_folder
from tidemill.platform import Platform
from tidemill.supervisor.control import control_path, serve_control
from tidemill.supervisor.marker import only_site, remove_marker, write_marker
from tidemill.supervisor.model import ProcessSpec
from tidemill.supervisor.process import Process
from tidemill.supervisor.sockets import free_port, listen_tcp, listen_unix

READY_SECONDS = 30.0
log = logging.getLogger(__name__)


class RunningSite:
    """The processes of one home; `run` returns when a signal or `stop` ended it."""

    def __init__(self, platform: Platform, *, with_gateway: bool) -> None:
        self._platform = platform
        self._with_gateway = with_gateway
        self._folder = make_sockets_folder(platform.home)
        self._listeners: list[socket.socket] = []
        self._processes: list[Process] = []
        self._ended = asyncio.Event()

    async def run(self, on_ready: Callable[[str], None]) -> None:
        """Bring everything up, say the address, and serve until SIGTERM or SIGINT.

        Raises `Conflict` when another site has the home, `Unavailable` when a process does not get ready.
        """
        with only_site(self._platform.home):
            _ = self._platform.site  # brings the database up to date before anybody opens it
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._ended.set)
            control = listen_unix(control_path(self._platform.home))
            answering = await serve_control(control, self._answer)
            try:
                url = await self._bring_up()
                write_marker(self._platform.home, url=url, socket_path=self._socket("server"))
                on_ready(url)
                await self._ended.wait()
            finally:
                remove_marker(self._platform.home)
                await self._drain()
                answering.close()

    async def _bring_up(self) -> str:
        settings = self._platform.settings
        address = settings.text("bind")
        port = free_port(address, settings.number("port"))
        if port != settings.number("port") and settings.number("port") != 0:
            log.warning("port %d is busy; this site takes %d", settings.number("port"), port)
        for spec in self._specs(address, port):
            process = Process(spec, self._platform.home.logs / f"{spec.name}.log")
            self._processes.append(process)
            await process.start()
        await self._until_ready(address, port)
        return f"http://{f'[{address}]' if ':' in address else address}:{port}"

    def _specs(self, address: str, port: int) -> Sequence[ProcessSpec]:
        server_fds = [self._listen(listen_unix(self._socket("server")))]
        if not self._with_gateway:
            server_fds.append(self._listen(listen_tcp(address, port)))
        server = self._role("server", *[str(fd) for fd in server_fds], inherited=tuple(server_fds))
        return [server, self._role("worker")]

    def _role(self, name: str, *arguments: str, inherited: tuple[int, ...] = ()) -> ProcessSpec:
        home = str(self._platform.home.path)
        argv = (sys.executable, "-m", "tidemill.supervisor.roles", name, home, *arguments)
        return ProcessSpec(name=name, argv=argv, inherited=inherited)

    def _listen(self, listener: socket.socket) -> int:
        self._listeners.append(listener)
        return listener.fileno()

    def _socket(self, name: str) -> Path:
        return self._folder / f"{name}.sock"

    async def _until_ready(self, address: str, port: int) -> None:
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        transport = httpx.AsyncHTTPTransport(uds=str(self._socket("server")))
        async with httpx.AsyncClient(transport=transport, base_url="http://tidemill", timeout=READY_SECONDS) as client:
            answer = await client.get("/api/v1/healthz")
        if answer.status_code != 200:
            raise Unavailable(f"the server is not healthy: {answer.text[:200]}", place=self._log_place("server"))
        while not await _connects(address, port):
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"nothing answers on port {port}", place=self._log_place("gateway"))
            await asyncio.sleep(0.02)
        for process in self._processes:
            process.mark_ready()

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if question.get("op") == "status":
            return {"processes": [dataclasses.asdict(process.status) for process in self._processes]}
        raise InvalidInput(f"the supervisor does not know {question.get('op')!r}")

    def _log_place(self, name: str) -> str:
        return str(self._platform.home.logs / f"{name}.log")

    async def _drain(self) -> None:
        # who lets work in stops first, who others need stops last
        for process in reversed(self._processes):
            await process.stop()
        for listener in self._listeners:
            listener.close()


async def _connects(address: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(address, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
