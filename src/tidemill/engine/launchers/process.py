"""Steps as processes: forked from a warm zygote, else spawned; Linux."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from tidemill.engine.launchers.model import Exited, LaunchRequest
from tidemill.engine.launchers.zygote_client import ZygoteClient
from tidemill.engine.preload import NEVER
from tidemill_runtime.fork import kernel

OWNER_VARIABLE = "TIDEMILL_WORKER"
"""Stands in the environment of every process of a launcher: what a dead owner left behind is found by it."""
KEY_VARIABLE = "TIDEMILL_ATTEMPT_ID"
MAX_ZYGOTES = 8
MAX_LEARNED = 2_000
_SPAWN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from tidemill_runtime.fork.spawned import main; main()"
_BASE_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    # pyarrow's allocator starts a thread when it is imported, and a process with two threads is never forked
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "_KFP_RUNTIME": "true",
    "PYTHONHASHSEED": "0",
}
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
ZygoteKey: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...]]


class ProcessLauncher:
    """A `Launcher` by zygotes, one per interpreter and start environment.

    `owner` marks every process; `logs` holds what zygotes themselves say. A lean zygote of this very interpreter
    starts what is no Python, and what may not be forked.
    """

    def __init__(self, *, owner: str, logs: Path, runtime: Path, environment: Mapping[str, str] | None = None) -> None:
        self._owner = owner
        self._logs = logs
        self._runtime = runtime
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._environment = {**_BASE_ENVIRONMENT, **passed_on, **(environment or {}), OWNER_VARIABLE: owner}
        self._zygotes: dict[ZygoteKey, ZygoteClient] = {}
        self._retired: list[ZygoteClient] = []
        self._unsafe: dict[ZygoteKey, set[str]] = {}
        self._requests: dict[str, LaunchRequest] = {}
        self._ended: list[Exited] = []
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)

    def launch(self, request: LaunchRequest) -> None:
        """See `Launcher`."""
        self._requests[request.key] = request
        if not request.may_fork or request.program["kind"] == "argv":
            self._spawn(request)
            return
        key = _zygote_key(request)
        zygote = self._zygote(key, request)
        self._preload(key, zygote, request.preload)
        self._fork(zygote, request, modules_file=self._logs / f"modules-{request.key}.json")

    def warm(self, request: LaunchRequest) -> None:
        """Start the zygote that a request would be forked from, and let it import; nothing is run."""
        key = _zygote_key(request)
        self._preload(key, self._zygote(key, request), request.preload)

    def events(self, timeout_seconds: float) -> list[Exited]:
        """See `Launcher`."""
        timeout = 0.0 if self._ended else timeout_seconds
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    self._wake_reader.recv(4096)
            else:
                self._hear(key.data)
        ended, self._ended = self._ended, []
        return ended

    def kill(self, key: str, signal_number: int) -> None:
        """See `Launcher`."""
        for zygote in [*self._zygotes.values(), *self._retired]:
            if key in zygote.programs:
                zygote.send({"op": "kill", "id": key, "signal": int(signal_number)})

    def wake(self) -> None:
        """See `Launcher`."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_writer.send(b"\0")

    def close(self) -> None:
        """See `Launcher`."""
        for zygote in [*self._zygotes.values(), *self._retired]:
            self._selector.unregister(zygote)
            zygote.close()
        self._zygotes.clear()
        self._retired.clear()
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _zygote(self, key: ZygoteKey, request: LaunchRequest) -> ZygoteClient:
        found = self._zygotes.get(key)
        if found is not None and not found.is_lost:
            self._zygotes[key] = self._zygotes.pop(key)  # the most recently used stands last
            return found
        if found is not None:
            self._bury(found)
        environment = {**self._environment, **request.start_environment}
        self._logs.mkdir(parents=True, exist_ok=True)
        made = ZygoteClient(
            python=request.python,
            runtime=request.runtime,
            environment=environment,
            log=self._logs / "zygotes.log",
        )
        self._zygotes[key] = made
        self._selector.register(made, selectors.EVENT_READ, made)
        self._retire_idle()
        return made

    def _preload(self, key: ZygoteKey, zygote: ZygoteClient, modules: Sequence[str]) -> None:
        unsafe = self._unsafe.get(key, set())
        zygote.preload([name for name in modules if name not in unsafe and name.partition(".")[0] not in NEVER])

    def _learn(self, key: str) -> None:
        """What a program imported beyond its zygote, the zygote imports for the next one."""
        request = self._requests.pop(key, None)
        path = self._logs / f"modules-{key}.json"
        try:
            modules = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # nothing new, or cut off with its program
            return
        path.unlink(missing_ok=True)
        zygote = None if request is None else self._zygotes.get(_zygote_key(request))
        if request is not None and zygote is not None and isinstance(modules, list):
            self._preload(_zygote_key(request), zygote, [str(name) for name in modules[:MAX_LEARNED]])

    def _retire_idle(self) -> None:
        idle = [key for key, zygote in self._zygotes.items() if not zygote.programs]
        for key in idle[: max(0, len(self._zygotes) - MAX_ZYGOTES)]:
            self._bury(self._zygotes.pop(key))

    def _fork(self, zygote: ZygoteClient, request: LaunchRequest, *, modules_file: Path | None = None) -> None:
        zygote.programs.add(request.key)
        message = {
            "op": "spawn",
            "id": request.key,
            "program": dict(request.program),
            "cwd": str(request.folder),
            "env": {**self._environment, **request.start_environment, **request.environment, KEY_VARIABLE: request.key},
            "log": str(request.log),
            "seed": request.seed,
            "limits": {"data_bytes": request.limits.data_bytes, "cpu_seconds": request.limits.cpu_seconds},
            "descriptor_names": list(request.descriptors),
            "modules_file": None if modules_file is None else str(modules_file),
        }
        if not zygote.send(message, list(request.descriptors.values())):
            self._lose(zygote)

    def _spawn(self, request: LaunchRequest) -> None:
        """Start by exec from the lean zygote of our own interpreter: the same set-up and the same supervision."""
        lean = replace(request, python=Path(sys.executable), runtime=self._runtime, start_environment={}, preload=())
        zygote = self._zygote(_zygote_key(lean), lean)
        environment = {**request.start_environment, **request.environment}
        if request.program["kind"] == "argv":
            self._fork(zygote, replace(lean, environment=environment))
            return
        body = {
            "seed": request.seed,
            "program": dict(request.program),
            "descriptor_names": list(request.descriptors),
        }
        descriptor = os.memfd_create("request")
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(body).encode())
            file.flush()
            argv = [str(request.python), "-c", _SPAWN, str(request.runtime)]
            spawned = replace(
                lean,
                program={"kind": "argv", "argv": argv},
                environment=environment,
                descriptors={**request.descriptors, "request": descriptor},
            )
            self._fork(zygote, spawned)

    def _hear(self, zygote: ZygoteClient) -> None:
        for message in zygote.receive():
            self._handle(zygote, message)
        if zygote.is_lost:
            self._lose(zygote)

    def _handle(self, zygote: ZygoteClient, message: dict[str, Any]) -> None:
        event = message["event"]
        if event == "exited":
            zygote.programs.discard(message["id"])
            self._learn(message["id"])
            self._ended.append(
                Exited(
                    key=message["id"],
                    status=message["status"],
                    signal=message["signal"],
                    max_rss_bytes=message["max_rss_bytes"],
                )
            )
            if zygote in self._retired and not zygote.programs:
                self._retired.remove(zygote)
                self._bury(zygote)
        elif event == "refused":
            self._refused(zygote, message["id"], message["reason"])
        elif event == "imported":
            modules = zygote.batch_done()
            if message["threads"] > 1:
                self._set_aside(zygote, modules)

    def _refused(self, zygote: ZygoteClient, key: str, reason: str) -> None:
        zygote.programs.discard(key)
        request = self._requests[key]
        if request.program["kind"] == "argv":
            self._requests.pop(key)
            self._ended.append(Exited(key=key, lost=f"no process could be made: {reason}"))
        else:
            self._spawn(request)

    def _set_aside(self, zygote: ZygoteClient, modules: Sequence[str]) -> None:
        """A zygote with threads forks no more: the next one does without the modules that started them."""
        for key, known in list(self._zygotes.items()):
            if known is zygote:
                self._unsafe.setdefault(key, set()).update(modules)
                del self._zygotes[key]
                self._retired.append(zygote)

    def _lose(self, zygote: ZygoteClient) -> None:
        """The zygote died; its children died with it, what they had started is found by its mark."""
        for key in sorted(zygote.programs):
            kernel.kill_marked(f"{KEY_VARIABLE}={key}")
            self._requests.pop(key, None)
            self._ended.append(Exited(key=key, lost="the zygote of its environment died"))
        zygote.programs.clear()
        self._retired = [one for one in self._retired if one is not zygote]
        self._zygotes = {key: one for key, one in self._zygotes.items() if one is not zygote}
        self._bury(zygote)

    def _bury(self, zygote: ZygoteClient) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(zygote)
        zygote.close()


def _zygote_key(request: LaunchRequest) -> ZygoteKey:
    return (str(request.python), str(request.runtime), tuple(sorted(request.start_environment.items())))
