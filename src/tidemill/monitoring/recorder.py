"""The recorder: takes frames from predictors on a unix socket and keeps them; never in a predictor's process."""

from __future__ import annotations

import logging
import selectors
import socket
import subprocess
import sys
import threading
from pathlib import Path

from tidemill.base.home import make_sockets_folder
from tidemill.base.site import Site
from tidemill.monitoring.spool import Spool, closed_spools, spool_folder

MAX_LINE_BYTES = 64 * 1024 * 1024
READ_BYTES = 1024 * 1024
TICK_SECONDS = 0.25
DRAIN_SECONDS = 1.0
log = logging.getLogger(__name__)


def recorder_socket(site: Site) -> Path:
    """Where predictors send their records."""
    return make_sockets_folder(site.home) / "recorder.sock"


def record_predictions(site: Site, stop: threading.Event, listener: socket.socket) -> None:
    """Keep what arrives on the listening unix socket until `stop`, then what was sent before it.

    Closed spool files are compacted to Parquet in a process of their own, so that this one stays small.
    """
    recorder = Recorder(spool_folder(site.home), listener)
    compactor = _Compactor(site)
    compactor.start_if_due()
    while not stop.is_set():
        recorder.turn(TICK_SECONDS)
        if recorder.spool.tick():
            compactor.start_if_due()
    recorder.drain(DRAIN_SECONDS)
    recorder.close()
    compactor.wait()


class Recorder:
    """The connections of the recorder and the line of each that is not whole yet."""

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self.spool = Spool(folder)
        self._listener = listener
        listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._partial: dict[socket.socket, bytearray] = {}

    def turn(self, timeout_seconds: float) -> bool:
        """Take what has arrived, waiting at most so long for it; False when nothing had."""
        ready = self._selector.select(timeout_seconds)
        for key, _ in ready:
            if key.fileobj is self._listener:
                self._accept()
            elif isinstance(key.fileobj, socket.socket):
                self._read(key.fileobj)
        return bool(ready)

    def drain(self, seconds: float) -> None:
        """Take what was sent already, as long as something comes."""
        turns = int(seconds / 0.02)
        for _ in range(turns):
            if not self.turn(0.02):
                return

    def close(self) -> None:
        """Close every connection and the spool."""
        for connection in list(self._partial):
            self._drop(connection)
        self._selector.close()
        self.spool.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        self._partial[connection] = bytearray()
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        partial = self._partial[connection]
        partial += data
        end = partial.rfind(b"\n") + 1
        if end:
            self.spool.append(bytes(partial[:end]))
            del partial[:end]
        elif len(partial) > MAX_LINE_BYTES:
            log.warning("a predictor sent a frame of more than %d bytes; it was dropped", MAX_LINE_BYTES)
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        # a line without its end is no record: its sender sends it again
        del self._partial[connection]
        self._selector.unregister(connection)
        connection.close()


class _Compactor:
    """At most one compacting process at a time."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._process: subprocess.Popen[bytes] | None = None

    def start_if_due(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        if closed_spools(spool_folder(self._site.home)):
            argv = [sys.executable, "-m", "tidemill.monitoring.compact", str(self._site.home.path)]
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)

    def wait(self) -> None:
        if self._process is not None:
            self._process.wait()
