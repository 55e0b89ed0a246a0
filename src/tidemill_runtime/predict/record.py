"""The prediction log's near end: a bounded ring, handed to the recorder without ever waiting for it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from typing import Any, Deque, Dict, List, Optional

import orjson

FLUSH_SECONDS = 0.01
RECONNECT_SECONDS = 1.0
RECORDS_PER_FRAME = 512
MAX_UNSENT_BYTES = 4 * 1024 * 1024


class PredictionLog:
    """Records of requests on their way to the recorder: one JSON line per frame on a unix stream socket.

    At most `max_records` wait; then the oldest is dropped and counted, and the next frame tells the count.
    """

    def __init__(self, address: Optional[str], source: Dict[str, str], *, max_records: int = 20_000) -> None:
        self._address = address
        self._source = source
        self._ring: Deque[List[Any]] = deque()
        self._max_records = max_records
        self._socket: Optional[socket.socket] = None
        self._unsent = b""
        self._sent_of_frame = 0
        self._next_connect = 0.0
        self._timer: Optional[asyncio.TimerHandle] = None
        self._told = 0
        self.dropped = 0

    def append(self, record: List[Any]) -> None:
        """Keep a record (the values of `log_fields.FIELDS`) until the next flush."""
        if self._address is None:
            return
        if len(self._ring) >= self._max_records:
            self._ring.popleft()
            self.dropped += 1
        self._ring.append(record)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._tick)

    def flush(self) -> bool:
        """Send what the socket takes now; True when nothing is left."""
        if not self._connected():
            return not self._ring
        try:
            while self._send_pending() and self._ring:
                self._encode()
            return not self._ring and not self._unsent
        except BlockingIOError:
            return False
        except OSError:
            self._disconnect()
            return False

    def drain(self, seconds: float) -> None:
        """At the end: wait for the recorder, but no longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not self.flush() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.close()

    def close(self) -> None:
        """Let go of the socket."""
        self._disconnect()

    def _tick(self) -> None:
        self._timer = None
        if not self.flush():
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._tick)

    def _send_pending(self) -> bool:
        """Send the rest of the frame; raises BlockingIOError while the recorder does not read."""
        while self._sent_of_frame < len(self._unsent):
            part = memoryview(self._unsent)[self._sent_of_frame :]
            self._sent_of_frame += self._socket.send(part)  # type: ignore[union-attr] # connected
        self._unsent, self._sent_of_frame = b"", 0
        return True

    def _encode(self) -> None:
        count = min(RECORDS_PER_FRAME, len(self._ring))
        records = [self._ring.popleft() for _ in range(count)]
        frame = {"schema_version": 1, **self._source, "dropped": self.dropped - self._told, "records": records}
        self._told = self.dropped
        self._unsent = orjson.dumps(frame, default=str) + b"\n"

    def _connected(self) -> bool:
        if self._socket is not None:
            return True
        if self._address is None or time.monotonic() < self._next_connect:
            return False
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            connection.connect(self._address)
        except OSError:
            connection.close()
            self._next_connect = time.monotonic() + RECONNECT_SECONDS
            return False
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_UNSENT_BYTES)
        self._socket = connection
        # the recorder throws away a line without its end, so the frame starts anew
        self._sent_of_frame = 0
        return True

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._sent_of_frame = 0
        self._next_connect = time.monotonic() + RECONNECT_SECONDS
