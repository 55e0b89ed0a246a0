"""Ids: UUID version 7 (RFC 9562), so that rows sort by the time they were made."""

from __future__ import annotations

import os
import threading
import uuid
from typing import Protocol

from tidemill.base.clock import Clock


class Ids(Protocol):
    """`new` gives an id never given before, in the form of a lower-case UUID."""

    def new(self) -> str: ...


class Uuid7Ids:
    """UUIDv7 from a clock; within one process later ids sort after earlier ones, also when the clock goes back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0

    def new(self) -> str:
        milliseconds = int(self._clock.now().timestamp() * 1000)
        random_bits = int.from_bytes(os.urandom(10), "big")
        with self._lock:
            # 48 bits of milliseconds and 12 of a counter that is drawn anew each millisecond
            tick = (milliseconds << 12) | (random_bits & 0x3FF)
            self._last = tick = max(tick, self._last + 1)
        value = (tick >> 12) << 80 | 0x7 << 76 | (tick & 0xFFF) << 64 | 0b10 << 62 | (random_bits >> 18) & (2**62 - 1)
        return str(uuid.UUID(int=value & (2**128 - 1)))
