"""A predictor host that keeps a process per revision running, however that process is started."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tidemill.base.errors import Unavailable
from tidemill.serving.host.contract import Launch, PredictorState, PredictorStatus
from tidemill.serving.host.starter import Child, Spawner, Starter
from tidemill.serving.unix_http import ask
from tidemill_runtime.predict.heartbeat import read_heartbeat

BACKLOG = 2048
WATCH_SECONDS = 0.05
PROBE_SECONDS = 0.25
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.0, 10.0
STEADY_SECONDS = 30.0
HUNG_SECONDS = 30.0
DRAIN_SECONDS = 30.0
LOG_LINES, LOG_TAIL_BYTES = 15, 16_384


@dataclass(slots=True)
class _Predictor:
    """One revision's socket and process."""

    launch: Launch
    listener: socket.socket
    process: Child | None = None
    state: PredictorState = PredictorState.STARTING
    restarts: int = 0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    start_at: float = 0.0
    started_at: float = 0.0
    message: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


class ProcessHost:
    """Keeps predictors and their sockets; the starter makes the processes, without one they are spawned.

    One whose event loop has not beaten for `HUNG_SECONDS` is killed and started again. `hung_seconds` is for tests.
    """

    def __init__(self, starter: Starter | None = None, *, hung_seconds: float = HUNG_SECONDS) -> None:
        self._starter = starter or Spawner()
        self._hung_seconds = hung_seconds
        self._predictors: dict[str, _Predictor] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="predictor-watch", daemon=True)
        self._watcher.start()

    def start(self, launch: Launch) -> None:
        with self._lock:
            known = self._predictors.get(launch.revision_id)
            if known is not None and known.state is not PredictorState.FAILED:
                return
            if known is not None:
                known.listener.close()
            predictor = _Predictor(launch=launch, listener=_listen(launch.socket))
            self._predictors[launch.revision_id] = predictor
        with predictor.lock:
            if predictor.state is PredictorState.STARTING:
                self._begin(predictor)

    def status(self, revision_id: str) -> PredictorStatus:
        with self._lock:
            predictor = self._predictors.get(revision_id)
        if predictor is None:
            return PredictorStatus(state=PredictorState.ABSENT)
        process = predictor.process
        pid = process.pid if process is not None and process.poll() is None else None
        return PredictorStatus(state=predictor.state, pid=pid, restarts=predictor.restarts, message=predictor.message)

    def stop(self, revision_id: str) -> None:
        with self._lock:
            predictor = self._predictors.pop(revision_id, None)
        if predictor is None:
            return
        with predictor.lock:
            predictor.state = PredictorState.ABSENT
            process = predictor.process
        predictor.launch.socket.unlink(missing_ok=True)
        predictor.listener.close()
        if process is not None:
            _end(process)
        predictor.launch.heartbeat.unlink(missing_ok=True)

    def revisions(self) -> list[str]:
        with self._lock:
            return list(self._predictors)

    def close(self) -> None:
        self._closing.set()
        self._watcher.join()
        threads = [threading.Thread(target=self.stop, args=(each,)) for each in self.revisions()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._starter.close()

    def _begin(self, predictor: _Predictor) -> None:
        """Start its process and ask it from now on; the caller holds its lock."""
        launch = predictor.launch
        launch.heartbeat.unlink(missing_ok=True)
        launch.log.parent.mkdir(parents=True, exist_ok=True)
        predictor.started_at = time.monotonic()
        try:
            predictor.process = self._starter.start(launch, predictor.listener)
        except Unavailable as problem:
            predictor.state, predictor.message = PredictorState.FAILED, str(problem)
            return
        threading.Thread(target=self._probe, args=(predictor,), name=f"probe-{launch.revision_id}", daemon=True).start()

    def _watch(self) -> None:
        while not self._closing.wait(WATCH_SECONDS):
            with self._lock:
                predictors = list(self._predictors.values())
            for predictor in predictors:
                with predictor.lock:
                    self._look_after(predictor)

    def _look_after(self, predictor: _Predictor) -> None:
        """Start a dead predictor again, and kill one that hangs; the caller holds its lock."""
        process, now = predictor.process, time.monotonic()
        if predictor.state in (PredictorState.ABSENT, PredictorState.FAILED):
            return
        if process is not None and process.poll() is None:
            if predictor.state is PredictorState.READY and self._hangs(predictor):
                process.kill()
            return
        if process is not None:
            self._note_end(predictor, process, now)
        elif now >= predictor.start_at:
            predictor.restarts += 1
            self._begin(predictor)

    def _note_end(self, predictor: _Predictor, process: Child, now: float) -> None:
        predictor.process = None
        predictor.message = f"ended with {process.wait()}: " + _last_lines(predictor.launch.log)
        if predictor.state is PredictorState.STARTING and not process.is_lost:
            predictor.state = PredictorState.FAILED
            return
        if predictor.state is PredictorState.READY:
            predictor.state = PredictorState.RESTARTING
        if now - predictor.started_at > STEADY_SECONDS:
            predictor.pause_seconds = FIRST_PAUSE_SECONDS
        predictor.start_at = now + predictor.pause_seconds
        predictor.pause_seconds = min(max(predictor.pause_seconds * 2, 0.1), LONGEST_PAUSE_SECONDS)

    def _hangs(self, predictor: _Predictor) -> bool:
        beat = read_heartbeat(str(predictor.launch.heartbeat))
        return beat > 0 and time.monotonic() - max(beat / 1e9, predictor.started_at) > self._hung_seconds

    def _probe(self, predictor: _Predictor) -> None:
        """Ask whether it is ready until it is, or has ended; a pending question is answered at once."""
        process = predictor.process
        while process is not None and process.poll() is None and not self._closing.is_set():
            try:
                answer = ask(predictor.launch.socket, "GET", "/v2/health/ready", timeout_seconds=PROBE_SECONDS)
            except Unavailable:
                continue
            if answer.status == 200:
                with predictor.lock:
                    if predictor.state in (PredictorState.STARTING, PredictorState.RESTARTING):
                        predictor.state, predictor.message = PredictorState.READY, ""
                return


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(BACKLOG)
    except OSError as problem:
        listener.close()
        raise Unavailable(f"no socket can be made: {problem.strerror}", place=str(path)) from problem
    return listener


def _end(process: Child) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(DRAIN_SECONDS)
        except TimeoutError:
            process.kill()
    process.wait()


def _last_lines(log: Path) -> str:
    if not log.exists():  # it ended before it could write one
        return ""
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LOG_TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-LOG_LINES:])
