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

from tidemill.base.errors import Unavailable
from tidemill.base.home import make_sockets_folder
from tidemill.data import dvc_socket
from tidemill.monitoring import recorder_socket
from tidemill.platform import Platform
from tidemill.serving.gateway import gateway_argv, prepare_gateway
from tidemill.serving.host import Forker, PredictorState, ProcessHost
from tidemill.supervisor.control import control_path, serve_control
from tidemill.supervisor.marker import only_site, remove_marker, write_marker
from tidemill.supervisor.model import ProcessSpec, ProcessState, ProcessStatus
from tidemill.supervisor.predictors import answer_for
from tidemill.supervisor.process import Process
from tidemill.supervisor.sockets import free_port, listen_tcp, listen_unix
from tidemill.tracking import mlflow_socket

READY_SECONDS = 30.0
WOKEN_DRAIN_SECONDS = 12.0
MAX_EARLY_RESTARTS = 3
"""A process that ends this often before the site is ready will not get ready."""

_PREDICTOR_STATES = {
    PredictorState.READY: ProcessState.RUNNING,
    PredictorState.RESTARTING: ProcessState.WAITING,
    PredictorState.FAILED: ProcessState.STOPPED,
}
log = logging.getLogger(__name__)


class RunningSite:
    """The processes of one home; `run` returns when a signal or `stop` ended it."""

    def __init__(self, platform: Platform, *, with_gateway: bool) -> None:
        self._platform = platform
        self._with_gateway = with_gateway
        self._folder = make_sockets_folder(platform.home)
        self._listeners: list[socket.socket] = []
        self._processes: list[Process] = []
        self._predictors = ProcessHost(Forker(platform.home.logs / "predictors" / "zygotes.log"))
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
        site = self._platform.site
        server = [self._listen(listen_unix(self._socket("server")))]
        woken = [self._woken("data", dvc_socket(site.home))]
        if self._platform.settings.is_on("mlflow"):
            woken.append(self._woken("mlflow", mlflow_socket(site.home)))
        if not self._with_gateway:
            server.append(self._listen(listen_tcp(address, port)))
            return [self._server(*server), self._role("controller"), self._role("worker"), *woken]
        recorder = self._listen(listen_unix(recorder_socket(site)))
        place = prepare_gateway(site, address=address, port=port, server_socket=self._socket("server"))
        gateway = ProcessSpec(name="gateway", argv=gateway_argv(place))
        return [
            self._role("recorder", recorder),
            self._server(*server),
            gateway,
            self._role("controller"),
            self._role("worker"),
            *woken,
        ]

    def _server(self, *descriptors: int) -> ProcessSpec:
        argv = (sys.executable, "-m", "tidemill.server", str(self._platform.home.path), *map(str, descriptors))
        return ProcessSpec(name="server", argv=argv, inherited=descriptors)

    def _role(self, name: str, *descriptors: int) -> ProcessSpec:
        home = str(self._platform.home.path)
        argv = (sys.executable, "-m", "tidemill.supervisor.roles", name, home, *map(str, descriptors))
        return ProcessSpec(name=name, argv=argv, inherited=descriptors)

    def _woken(self, name: str, path: Path) -> ProcessSpec:
        """A process that is started by who connects to a socket."""
        descriptor = self._listen(listen_unix(path))
        return dataclasses.replace(self._role(name, descriptor), woken_by=descriptor, drain_seconds=WOKEN_DRAIN_SECONDS)

    def _listen(self, listener: socket.socket) -> int:
        self._listeners.append(listener)
        return listener.fileno()

    def _socket(self, name: str) -> Path:
        return self._folder / f"{name}.sock"

    async def _until_ready(self, address: str, port: int) -> None:
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        health = asyncio.create_task(self._health())
        while not (health.done() and await _connects(address, port)):
            ill = next((each.status for each in self._processes if each.status.restarts >= MAX_EARLY_RESTARTS), None)
            late = "server" if not health.done() else "gateway"
            if ill is not None or asyncio.get_running_loop().time() > deadline:
                health.cancel()
                name = late if ill is None else ill.name
                raise Unavailable(f"the {name} does not come up", place=str(self._platform.home.logs / f"{name}.log"))
            await asyncio.sleep(0.02)
        await health
        for process in self._processes:
            process.mark_ready()

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if question.get("op") == "status":
            return {"processes": [*map(dataclasses.asdict, self._statuses())]}
        return await asyncio.to_thread(answer_for, self._predictors, question)

    def _statuses(self) -> list[ProcessStatus]:
        found = [process.status for process in self._processes]
        for revision_id in self._predictors.revisions():
            told = self._predictors.status(revision_id)
            name = f"predictor {revision_id[-12:]}"
            state = _PREDICTOR_STATES.get(told.state, ProcessState.STARTING)
            found.append(ProcessStatus(name=name, state=state, pid=told.pid, restarts=told.restarts))
        return found

    async def _health(self) -> None:
        transport = httpx.AsyncHTTPTransport(uds=str(self._socket("server")))
        async with httpx.AsyncClient(transport=transport, base_url="http://tidemill", timeout=READY_SECONDS) as client:
            answer = await client.get("/api/v1/healthz")
        if answer.status_code != 200:
            raise Unavailable(f"the server is not healthy: {answer.text[:200]}")

    async def _drain(self) -> None:
        # who lets work in stops first, who others need stops last
        ending = {process.spec.name: process for process in self._processes}
        for name in ("gateway", "data", "mlflow", "worker", "controller"):
            if name in ending:
                await ending.pop(name).stop()
        await asyncio.to_thread(self._predictors.close)
        for process in reversed(ending.values()):
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
