"""The spool: frames as they came, in files of one hour or `MAX_BYTES`, until they are compacted."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from tidemill.base.home import Home

MAX_BYTES = 64 * 1024 * 1024
SYNC_SECONDS = 1.0
FREE_FLOOR_BYTES = 200_000_000


def predictions_folder(home: Home) -> Path:
    """Where the prediction log is: Parquet by namespace, service and hour."""
    return home.telemetry / "predictions"


def spool_folder(home: Home) -> Path:
    """Where frames wait for compaction."""
    return home.telemetry / "spool"


def closed_spools(folder: Path) -> list[Path]:
    """Spool files that nobody writes to any more, oldest first."""
    return sorted(folder.glob("*.jsonl"))


def all_spools(folder: Path) -> list[Path]:
    """Closed spool files and the open one."""
    return [*closed_spools(folder), *sorted(folder.glob("*.open"))]


class Spool:
    """The open spool file. Frames reach the kernel at once and the disk within `SYNC_SECONDS`.

    Below `FREE_FLOOR_BYTES` of free space frames are dropped and counted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left_over in folder.glob("*.open"):
            _close_name(left_over)
        self._file: BinaryIO | None = None
        self._hour = ""
        self._size = 0
        self._synced_at = 0.0
        self._unsynced = False
        self._has_room = True
        self._sequence = 0
        self.dropped_frames = 0

    def append(self, lines: bytes) -> None:
        """Write whole lines, each with its end."""
        if not self._has_room:
            self.dropped_frames += lines.count(b"\n")
            return
        file = self._current()
        file.write(lines)
        self._size += len(lines)
        self._unsynced = True

    def tick(self) -> bool:
        """Sync when due and look for free space; True when a file was closed and waits for compaction."""
        now = time.monotonic()
        if now - self._synced_at < SYNC_SECONDS:
            return False
        self._synced_at = now
        self._has_room = shutil.disk_usage(self._folder).free > FREE_FLOOR_BYTES
        if self._file is not None and self._unsynced:
            os.fdatasync(self._file.fileno())
            self._unsynced = False
        if self._file is not None and (self._size >= MAX_BYTES or _hour() != self._hour):
            self.close()
            return True
        return False

    def close(self) -> None:
        """Close the file, so that it may be compacted."""
        if self._file is None:
            return
        path = Path(self._file.name)
        os.fdatasync(self._file.fileno())
        self._file.close()
        self._file = None
        _close_name(path)

    def _current(self) -> BinaryIO:
        if self._file is None:
            self._hour, self._size = _hour(), 0
            self._sequence += 1
            name = f"{self._hour}-{time.time_ns()}-{os.getpid()}-{self._sequence}.open"
            self._file = open(self._folder / name, "ab", buffering=0)  # noqa: SIM115 -- held until `close`
        return self._file


def _close_name(path: Path) -> None:
    path.rename(path.with_suffix(".jsonl"))


def _hour() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H")
