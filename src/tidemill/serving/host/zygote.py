"""A zygote of predictors, and the thread that hears what becomes of its children."""

from __future__ import annotations

import itertools
import logging
import os
import select
import threading
import time
from collections.abc import Iterable
from typing import Any

from tidemill.engine.launchers import ZygoteClient
from tidemill.serving.host.forked import Forked
from tidemill.serving.host.starter import argument_of

SERVER = (
    "tidemill_runtime.predict.main",
    "tidemill_runtime.predict.server",
    "uvicorn",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
"""What every predictor imports; none of it starts a thread or opens anything before it is called."""

TICK_SECONDS = 5.0
MAX_SILENT_TICKS = 12
"""A zygote that has answered nothing for so many ticks (a minute) hangs in an import: it is ended."""

log = logging.getLogger(__name__)


class PredictorZygote:
    """Forks predictors until it starts a thread, ends, or has had none for `idle_seconds`.

    `unsafe` are modules that it does without; the ones that start a thread in it, or end it, are added.
    """

    def __init__(self, client: ZygoteClient, *, unsafe: set[str], idle_seconds: float) -> None:
        self._client = client
        self._unsafe = unsafe
        self._idle_seconds = idle_seconds
        self._idle_since = time.monotonic()
        self._children: dict[str, Forked] = {}
        self._names = map(str, itertools.count())
        self._is_open = True
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name=f"zygote-{client.pid}", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """True when it has ended and all that it told has been passed on."""
        return not self._thread.is_alive()

    def fork(self, child: Forked) -> bool:
        """Have it fork a predictor; False when it forks no more."""
        with self._lock:
            if not self._is_open:
                return False
            name = next(self._names)
            self._children[name] = child
            for modules in _by_library(child.launch.preload):
                self._client.preload([each for each in modules if each not in self._unsafe])
            # when it is gone, so that this fails, the thread finds the child and has it spawned
            self._client.send(_request(name, child), [child.listener.fileno(), child.lifeline])
            return True

    def close(self) -> None:
        """End it and its children; returns when it is gone."""
        self._retire()
        self._thread.join(TICK_SECONDS)
        if self._thread.is_alive():
            self._client.kill()
            self._thread.join()

    def _serve(self) -> None:
        ready, tick = select.poll(), min(TICK_SECONDS, self._idle_seconds)
        ready.register(self._client.fileno(), select.POLLIN)
        silent = 0
        while not self._client.is_lost:
            if ready.poll(tick * 1000):
                silent = 0
                for message in self._client.receive():
                    self._handle(message)
            else:
                silent += 1
                self._look_after(silent)
        self._mourn()

    def _handle(self, message: dict[str, Any]) -> None:
        match message["event"]:
            case "started":
                self._children[message["id"]].began(message["pid"])
            case "refused":
                child = self._pop(message["id"])
                log.warning("predictor %s is spawned: %s", child.launch.revision_id, message["reason"])
                child.spawn()
            case "exited":
                number = message["signal"]
                self._pop(message["id"]).ended(message["status"] if number is None else -number)
            case "imported":
                modules = self._client.batch_done()
                if message["threads"] > 1:
                    self._do_without(modules, "starts a thread when it is imported")

    def _pop(self, name: str) -> Forked:
        with self._lock:
            child = self._children.pop(name)
            self._idle_since = time.monotonic()
            if not self._is_open and not self._children:
                self._client.send({"op": "quit"})
        return child

    def _do_without(self, modules: Iterable[str], why: str) -> None:
        with self._lock:
            self._unsafe.update(modules)
            self._is_open = False
            if not self._children:
                self._client.send({"op": "quit"})
        log.warning("one of %s %s: the next zygote does without", ", ".join(modules), why)

    def _look_after(self, silent_ticks: int) -> None:
        with self._lock:
            is_idle = not self._children and time.monotonic() - self._idle_since >= self._idle_seconds
        if is_idle:
            self._retire()
        elif silent_ticks > MAX_SILENT_TICKS:
            log.warning("the zygote %d hangs and is killed", self._client.pid)
            self._client.kill()
        else:
            with self._lock:
                self._client.send({"op": "ping"})

    def _retire(self) -> None:
        with self._lock:
            self._is_open = False
            self._client.send({"op": "quit"})

    def _mourn(self) -> None:
        """It has ended, and its children with it."""
        with self._lock:
            was_wanted, self._is_open = self._is_open, False
            children, self._children = list(self._children.values()), {}
        if was_wanted:
            self._client.kill()
            log.warning("the zygote %d ended; its %d predictors start again", self._client.pid, len(children))
            if self._client.importing:
                self._do_without(self._client.importing, "ends the zygote that imports it")
        self._client.close()
        for child in children:
            child.cut_off()


def _by_library(preload: Iterable[str]) -> list[list[str]]:
    """The modules of the server, then those of each library: so it can be told which one starts a thread."""
    return [[*SERVER], *([*group] for _, group in itertools.groupby(preload, lambda name: name.partition(".")[0]))]


def _request(name: str, child: Forked) -> dict[str, Any]:
    launch = child.launch
    return {
        "op": "spawn",
        "id": name,
        "program": {
            "kind": "entry",
            "entry": "tidemill_runtime.predict.main:serve_forked",
            "argument": argument_of(launch),
        },
        "cwd": launch.argument["package"],
        "env": launch.environment,
        "log": str(launch.log),
        "seed": int.from_bytes(os.urandom(8), "big"),
        "descriptor_names": ["listener", "lifeline"],
    }
