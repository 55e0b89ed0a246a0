"""The arithmetic of windows: when a prediction was made, and which stretch of time it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MILLISECONDS = 1 << 47
"""In the year 6429: an id that tells a later time was made up, and the calendar has room for hours to be added."""


def made_at(prediction_id: str) -> datetime | None:
    """When a prediction was asked for: the first 48 bits of a UUIDv7 are milliseconds; None for any other id."""
    if len(prediction_id) != 36 or prediction_id[14] != "7":
        return None
    try:
        milliseconds = int(prediction_id[:8] + prediction_id[9:13], 16)
    except ValueError:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if 0 <= milliseconds < LATEST_MILLISECONDS else None


def first_id_at(moment: datetime) -> str:
    """The smallest prediction id of a moment."""
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7000-8000-000000000000"


def window_start(moment: datetime, seconds: float) -> datetime:
    """The start of the tumbling window that a moment belongs to; windows are counted from 1970."""
    return EPOCH + timedelta(seconds=((moment - EPOCH).total_seconds() // seconds) * seconds)


def whole_windows(spans: Iterable[tuple[datetime, datetime]], seconds: float) -> tuple[tuple[datetime, datetime], ...]:
    """The spans, widened to whole windows and joined where they touch."""
    length = timedelta(seconds=seconds)
    found: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        first, last = window_start(start, seconds), window_start(end, seconds) + length
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)
