"""A sign of life in shared memory: the monotonic time of the event loop's last beat."""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import time

BEAT_SECONDS = 0.5
SIZE_BYTES = 8


class Heartbeat:
    """Writes `CLOCK_MONOTONIC` in nanoseconds (little-endian, 8 bytes) into a file that its watcher maps too."""

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, SIZE_BYTES)
            self._memory = mmap.mmap(descriptor, SIZE_BYTES)
        finally:
            os.close(descriptor)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat now and from now on in the loop: a loop that hangs stops beating."""
        struct.pack_into("<q", self._memory, 0, time.monotonic_ns())
        loop.call_later(BEAT_SECONDS, self.start, loop)


def read_heartbeat(path: str) -> int:
    """The monotonic time of the last beat in nanoseconds, 0 when there was none."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(SIZE_BYTES)
    except OSError:
        return 0
    return int(struct.unpack("<q", data)[0]) if len(data) == SIZE_BYTES else 0
