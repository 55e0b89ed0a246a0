"""The ballast: room that the home holds back and gives up when the disk is full, so that what frees space still works.

`home/ballast` is as long as what is held; its first page says how long it was made. A shorter one was given up in
part: then nothing new is begun, until there is room to make it whole again.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

from tidemill.base.errors import StorageFull
from tidemill.base.home import Home

RELEASE_BYTES = 16 << 20
"""What is given up at a time: whoever filled the disk may take this, too."""

LOW_BYTES = 4 << 20
"""Below this much free space a part is given up before anything is written; SQLite's log grows to about this."""

SPARE_BYTES = 8 << 20
"""This much must stay free when the ballast is made, so that making it is not what fills the disk."""

LEAST_BYTES = 256 << 10
"""SQLite cannot open its log in less room than this, and calls it an I/O error."""

_NOTE = "Room that Tidemill gives up by itself when the disk is full; see docs/how-to/survive-a-full-disk.md."
_PAGE_BYTES = 4096
_PIECE_BYTES = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
log = logging.getLogger(__name__)


def is_no_space(problem: BaseException) -> bool:
    """True for what the system says when a disk or a quota has no room left."""
    return isinstance(problem, OSError) and problem.errno in _FULL


class StorageState(StrEnum):
    """How much room a home has."""

    OK = "ok"  # enough
    LOW = "low"  # less than the floor: no new run is taken
    FULL = "full"  # the disk was full and ballast was given up: nothing is taken that needs room


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The room of a home at one moment: what is free, and what the ballast holds of what it was made to hold."""

    home: Home
    free_bytes: int
    held_bytes: int
    made_bytes: int
    floor_bytes: int

    @property
    def state(self) -> StorageState:
        """How much that is. What the ballast holds is part of the floor, not beside it."""
        if self.held_bytes < self.made_bytes:
            return StorageState.FULL
        return StorageState.LOW if self.free_bytes + self.held_bytes < self.floor_bytes else StorageState.OK

    @property
    def refusal(self) -> StorageFull | None:
        """Why nothing new is begun here, and what to do; None while there is room."""
        if self.state is StorageState.FULL:
            left = f"{self.free_bytes / 1e6:.0f} MB"
            wanted = math.ceil((self.made_bytes - self.held_bytes + SPARE_BYTES) / 1e6)
            return StorageFull(
                f"the disk is full: what is left ({left}) is for what frees space, nothing is begun",
                place=str(self.home.path),
                remedy=f"free some space: from {wanted} MB on work is taken again, without a restart",
            )
        if self.state is StorageState.LOW:
            room = self.free_bytes + self.held_bytes
            return StorageFull(
                f"the disk has {room / 1e6:.0f} MB left, and {self.floor_bytes / 1e6:.0f} MB are kept free",
                place=str(self.home.path),
                remedy="free some space, or lower the setting free_space_floor_bytes",
            )
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballast:
    """The ballast of a home. Any process of the site may call any method at any time; none raises for want of room."""

    home: Home

    def look(self, floor_bytes: int = 0) -> Storage:
        """The room of the home now."""
        made, held = 0, 0
        with suppress(OSError), open(self.home.ballast, "rb") as file:
            made, held = _made_bytes(file.fileno()), os.fstat(file.fileno()).st_size
        free = shutil.disk_usage(self.home.path).free
        held = min(held, made)
        return Storage(home=self.home, free_bytes=free, held_bytes=held, made_bytes=made, floor_bytes=floor_bytes)

    def keep(self, size_bytes: int) -> None:
        """Have a ballast of this size (0: none), made or made whole again as soon as there is room for it."""
        now = self.look()
        if now.made_bytes == now.held_bytes == size_bytes:
            return
        if size_bytes == 0:
            self.home.ballast.unlink(missing_ok=True)
            return
        if now.free_bytes + now.held_bytes < size_bytes + SPARE_BYTES:
            return
        with self._locked(create=True) as descriptor:
            if descriptor is not None and _grow(descriptor, size_bytes):
                log.info("the ballast holds %d bytes", size_bytes)

    def restore(self) -> None:
        """Make it whole again, if it was given up and there is room by now."""
        made = self.look().made_bytes
        if made:
            self.keep(made)

    def relieve(self, *, has_failed: bool = False) -> bool:
        """Give up a part when the disk has almost no room left; True when that was done.

        Cheap: one system call while there is room. `has_failed` says that a write has just found none, which a quota
        does not tell beforehand.
        """
        if not has_failed and self._free_bytes() >= LOW_BYTES:
            return False
        with self._locked() as descriptor:
            if descriptor is None or (self._free_bytes() >= LOW_BYTES and not (has_failed and self.is_out_of_room())):
                return False
            size = os.fstat(descriptor).st_size
            if _made_bytes(descriptor) == 0 or size <= _PAGE_BYTES:
                return False
            os.ftruncate(descriptor, max(_PAGE_BYTES, size - RELEASE_BYTES))
        log.info("the disk of %s is full: %d bytes of ballast were given up", self.home.path, RELEASE_BYTES)
        return True

    def is_out_of_room(self) -> bool:
        """True when `LEAST_BYTES` cannot be had on the home's disk, by its size or by a quota."""
        if self._free_bytes() < LEAST_BYTES:
            return True
        probe = self.home.path / f".probe.{os.getpid()}"
        try:
            with open(probe, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, LEAST_BYTES)
        except OSError as problem:
            return is_no_space(problem)
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)
        return False

    def _free_bytes(self) -> int:
        room = os.statvfs(self.home.path)
        return room.f_bavail * room.f_frsize

    @contextmanager
    def _locked(self, *, create: bool = False) -> Iterator[int | None]:
        """The file, ours alone meanwhile; None when there is none, or it may not be written."""
        try:
            descriptor = os.open(self.home.ballast, os.O_RDWR | os.O_NOFOLLOW | (os.O_CREAT if create else 0), 0o600)
        except OSError:
            yield None
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def demand_space(home: Home, floor_bytes: int) -> None:
    """Raise `StorageFull` while the home's disk is full, or has less room than the floor: before anything is begun.

    Ballast that was given up is made whole first, when there is room again.
    """
    ballast = Ballast(home=home)
    ballast.relieve()
    ballast.restore()
    refusal = ballast.look(floor_bytes).refusal
    if refusal is not None:
        raise refusal


def _made_bytes(descriptor: int) -> int:
    """How long the file was made, as its first page says; 0 when it was not made to its end."""
    try:
        return int(json.loads(os.pread(descriptor, _PAGE_BYTES, 0).rstrip(b"\0"))["bytes"])
    except (ValueError, KeyError, TypeError):
        return 0


def _grow(descriptor: int, size_bytes: int) -> bool:
    """Make the file so long, with real blocks below it; without room for that it stays as it was, and gives False."""
    before = os.fstat(descriptor).st_size
    try:
        os.ftruncate(descriptor, min(before, size_bytes))
        os.posix_fallocate(descriptor, 0, size_bytes)
        _demand_blocks(descriptor, size_bytes)
        head = json.dumps({"schema_version": 1, "bytes": size_bytes, "note": _NOTE}).encode()
        os.pwrite(descriptor, head.ljust(_PAGE_BYTES, b"\0"), 0)
    except OSError as problem:
        os.ftruncate(descriptor, min(before, size_bytes))
        if not is_no_space(problem):
            log.warning("the ballast cannot be made: %s", problem)
        return False
    return True


def _demand_blocks(descriptor: int, size_bytes: int) -> None:
    """Some file systems take a promise of room and keep none: those get bytes that cannot be compressed away."""
    if os.fstat(descriptor).st_blocks * 512 >= size_bytes:
        return
    for offset in range(0, size_bytes, _PIECE_BYTES):
        os.pwrite(descriptor, os.urandom(min(_PIECE_BYTES, size_bytes - offset)), offset)
    os.fsync(descriptor)
