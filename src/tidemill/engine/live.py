"""While a step runs: its metrics file is read on, its log is kept below its cap."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tidemill.base.ballast import is_no_space
from tidemill.engine.changes import MetricPoint

MAX_METRICS_BYTES = 64 << 20
_TAIL_BYTES = 64 << 10
_PIECE_BYTES = 1 << 20


class MetricsTail:
    """Reads complete JSON lines `{"name", "value", "step"?}` from a file that grows; others are counted, not kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.ignored = 0

    def read(self) -> list[MetricPoint]:
        """The points written since the last call."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                data = file.read(_PIECE_BYTES)
        except FileNotFoundError:
            return []
        end = data.rfind(b"\n") + 1
        self._offset += end if end or len(data) < _PIECE_BYTES else len(data)
        if self._offset > MAX_METRICS_BYTES:
            return []
        points = [self._point(line) for line in data[:end].splitlines() if line.strip()]
        return [point for point in points if point is not None]

    def _point(self, line: bytes) -> MetricPoint | None:
        try:
            value = json.loads(line)
            return MetricPoint(
                name=str(value["name"])[:256], value=float(value["value"]), step=int(value.get("step") or 0)
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.ignored += 1
            return None


class LogCap:
    """Keeps a log below its cap: the beginning and the newest lines stay, a mark stands between."""

    def __init__(self, path: Path, cap_bytes: int) -> None:
        self._path = path
        self._cap_bytes = cap_bytes
        self.cut_bytes = 0

    def trim(self) -> bool:
        """Cut the log when it is above the cap; True when it was. The writer appends, so it goes on at the new end.

        On a full disk the mark may be missing where it was cut.
        """
        try:
            if os.stat(self._path).st_size <= self._cap_bytes:
                return False
            with open(self._path, "r+b") as file:
                self._cut(file.fileno())
        except FileNotFoundError:
            return False
        except OSError as problem:
            if not is_no_space(problem):
                raise
        return True

    def _cut(self, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        tail_bytes = min(_TAIL_BYTES, self._cap_bytes // 4)
        head_bytes = self._cap_bytes // 2
        tail = os.pread(descriptor, tail_bytes, size - tail_bytes)
        tail = tail[tail.find(b"\n") + 1 :]
        self.cut_bytes += size - head_bytes - len(tail)
        os.ftruncate(descriptor, head_bytes)
        mark = f"\n[tidemill: {self.cut_bytes} bytes were cut here; the cap of a log is {self._cap_bytes} bytes]\n"
        with open(self._path, "ab") as file:
            file.write(mark.encode() + tail)
