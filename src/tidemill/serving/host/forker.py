"""The starter that forks: one zygote for all predictors of a lock and start environment."""

from __future__ import annotations

import logging
import socket
import threading
from collections import defaultdict
from pathlib import Path
from typing import TypeAlias

from tidemill.base.errors import StorageFull, Unavailable
from tidemill.engine.launchers import ZygoteClient
from tidemill.serving.host.contract import Launch
from tidemill.serving.host.forked import Forked
from tidemill.serving.host.starter import Child
from tidemill.serving.host.zygote import PredictorZygote

IDLE_SECONDS = 120.0
Key: TypeAlias = tuple[str, str, tuple[str, ...], tuple[tuple[str, str], ...]]
log = logging.getLogger(__name__)


class Forker:
    """A `Starter` by zygotes, each of which ends when it has had no predictor for `idle_seconds`.

    What cannot be forked is spawned, and the log says why. `log` is the file for what zygotes themselves say.
    """

    def __init__(self, log: Path, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._log = log
        self._idle_seconds = idle_seconds
        self._open: dict[Key, PredictorZygote] = {}
        self._retired: list[PredictorZygote] = []
        self._unsafe: defaultdict[Key, set[str]] = defaultdict(set)
        self._lock = threading.Lock()

    def start(self, launch: Launch, listener: socket.socket) -> Child:
        child = Forked(launch, listener)
        try:
            with self._lock:
                self._fork(child)
        except (Unavailable, StorageFull) as problem:
            log.warning("predictor %s is spawned: %s", launch.revision_id, problem)
            child.spawn()
        return child

    def close(self) -> None:
        with self._lock:
            for zygote in [*self._open.values(), *self._retired]:
                zygote.close()

    def _fork(self, child: Forked) -> None:
        key = _key(child.launch)
        self._retired = [each for each in self._retired if not each.is_over]
        known = self._open.get(key)
        if known is not None and known.fork(child):
            return
        if known is not None:
            self._retired.append(self._open.pop(key))
        made = self._open[key] = self._make(key, child.launch)
        if not made.fork(child):
            raise Unavailable("its zygote ended at once", place=str(self._log))

    def _make(self, key: Key, launch: Launch) -> PredictorZygote:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        client = ZygoteClient(
            python=launch.python,
            runtime=launch.runtime,
            environment=launch.environment,
            log=self._log,
            late_paths=key[2],
        )
        return PredictorZygote(client, unsafe=self._unsafe[key], idle_seconds=self._idle_seconds)


def _key(launch: Launch) -> Key:
    late_paths = tuple(map(str, launch.argument.get("late_paths", ())))
    return (str(launch.python), str(launch.runtime), late_paths, tuple(sorted(launch.environment.items())))
