"""The spool: frames as they came, in files of one hour or `MAX_BYTES`, until they are compacted."""

from __future__ import annotations

import logging
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
log = logging.getLogger(__name__)


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

    Below `FREE_FLOOR_BYTES` of free space, or when a write finds none, frames are dropped and counted: whole ones, so
    that what is kept can be read. No method raises for want of room.
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
        self._told = 0
        self.dropped_frames = 0

    def append(self, lines: bytes) -> None:
        """Write whole lines, each with its end."""
        if self._has_room and self._written(lines):
            self._size += len(lines)
            self._unsynced = True
            return
        self._has_room = False
        self.dropped_frames += lines.count(b"\n")

    def _written(self, lines: bytes) -> bool:
        """Write all of it or nothing; False when the disk has no room."""
        try:
            file = self._current()
            rest = memoryview(lines)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as problem:
            if self._file is not None:
                os.ftruncate(self._file.fileno(), self._size)
            log.warning("the prediction log cannot be written, frames are dropped: %s", problem)
            return False
        return True

    def tick(self) -> bool:
        """Sync when due and look for free space; True when a file was closed and waits for compaction."""
        now = time.monotonic()
        if now - self._synced_at < SYNC_SECONDS:
            return False
        self._synced_at = now
        self._has_room = shutil.disk_usage(self._folder).free > FREE_FLOOR_BYTES
        if self._has_room and self.dropped_frames != self._told:
            log.warning("%d frames of the prediction log were dropped for want of room", self.dropped_frames)
            self._told = self.dropped_frames
        if self._file is not None and self._unsynced:
            self._sync(self._file)
        if self._file is not None and (self._size >= MAX_BYTES or _hour() != self._hour):
            self.close()
            return True
        return False

    def close(self) -> None:
        """Close the file, so that it may be compacted."""
        if self._file is None:
            return
        path = Path(self._file.name)
        self._sync(self._file)
        self._file.close()
        self._file = None
        _close_name(path)

    def _sync(self, file: BinaryIO) -> None:
        """Have it on the disk; where that fails it is not tried again, as the pages are gone (fsync(2))."""
        self._unsynced = False
        try:
            os.fdatasync(file.fileno())
        except OSError as problem:
            log.warning("the last second of the prediction log may be lost: %s", problem)

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
