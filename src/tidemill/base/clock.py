"""Time as an argument: verbs ask a clock, never the machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """`now` is an aware UTC datetime; `monotonic_seconds` never goes back and compares within one machine boot."""

    def now(self) -> datetime: ...

    def monotonic_seconds(self) -> float: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_seconds(self) -> float:
        return time.monotonic()
