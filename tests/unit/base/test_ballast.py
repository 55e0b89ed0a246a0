"""The ballast: real blocks where there is room, given up in parts where there is none, whole again by itself."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tidemill.base.backup import create_backup
from tidemill.base.ballast import (
    LEAST_BYTES,
    LOW_BYTES,
    RELEASE_BYTES,
    SPARE_BYTES,
    Ballast,
    StorageState,
    demand_space,
    is_no_space,
)
from tidemill.base.database import Database, sqlite_url
from tidemill.base.errors import StorageFull
from tidemill.base.home import Home, open_home
from tidemill.base.site import Site

SIZE_BYTES = 2 * RELEASE_BYTES
PLENTY = 1 << 40


@dataclass
class Disk:
    """What the system says is free."""

    free_bytes: int = PLENTY


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home."""
    return open_home(tmp_path / "home")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk whose free space the test says."""
    made = Disk()
    monkeypatch.setattr(Ballast, "_free_bytes", lambda _self: made.free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: type("Usage", (), {"free": made.free_bytes}))
    return made


@pytest.fixture
def ballast(home: Home, disk: Disk) -> Ballast:
    """A whole ballast of two parts."""
    made = Ballast(home=home)
    made.keep(SIZE_BYTES)
    assert made.look().held_bytes == SIZE_BYTES
    return made


def _refuse(number: int) -> Callable[..., None]:
    def refuse(*_given: Any) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_it_is_made_of_real_blocks_that_only_its_owner_reads(ballast: Ballast) -> None:
    status = ballast.home.ballast.stat()
    assert status.st_size == SIZE_BYTES
    assert status.st_blocks * 512 >= SIZE_BYTES
    assert status.st_mode & 0o777 == 0o600


def test_a_file_system_that_promises_room_and_keeps_none_gets_bytes(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", lambda descriptor, start, length: os.ftruncate(descriptor, length))
    Ballast(home=home).keep(RELEASE_BYTES)
    assert home.ballast.stat().st_blocks * 512 >= RELEASE_BYTES


def test_it_is_not_made_where_it_would_fill_the_disk(home: Home, disk: Disk) -> None:
    disk.free_bytes = SIZE_BYTES + SPARE_BYTES - 1
    Ballast(home=home).keep(SIZE_BYTES)
    assert not home.ballast.exists()
    demand_space(home, 0)  # a disk too small for one takes runs nevertheless


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EOPNOTSUPP])
def test_what_the_system_refuses_is_no_ballast_and_no_error(
    home: Home, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", _refuse(number))
    Ballast(home=home).keep(SIZE_BYTES)
    assert Ballast(home=home).look().state is StorageState.OK
    assert home.ballast.stat().st_blocks == 0


def test_it_is_given_up_in_parts_and_only_without_room(ballast: Ballast, disk: Disk) -> None:
    disk.free_bytes = LOW_BYTES
    assert not ballast.relieve()
    disk.free_bytes = LOW_BYTES - 1
    assert ballast.relieve()
    assert ballast.look().held_bytes == SIZE_BYTES - RELEASE_BYTES
    assert ballast.look().state is StorageState.FULL
    assert ballast.relieve()
    assert not ballast.relieve(), "there is nothing left to give up"
    assert ballast.look().made_bytes == SIZE_BYTES, "it is no longer known how much is missing"


def test_a_quota_is_no_room_either(ballast: Ballast, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not ballast.relieve(has_failed=True), "whatever failed, it was not for want of room"
    monkeypatch.setattr(os, "posix_fallocate", _refuse(errno.EDQUOT))
    assert ballast.is_out_of_room()
    assert ballast.relieve(has_failed=True)
    assert not list(ballast.home.path.glob(".probe*"))


def test_it_is_whole_again_when_there_is_room_to_spare_and_not_before(ballast: Ballast, disk: Disk) -> None:
    disk.free_bytes = 0
    ballast.relieve()
    for free_bytes in (RELEASE_BYTES, RELEASE_BYTES + SPARE_BYTES - 1):
        disk.free_bytes = free_bytes
        with pytest.raises(StorageFull, match="the disk is full") as told:
            demand_space(ballast.home, 0)
        assert told.value.remedy == "free some space: from 26 MB on work is taken again, without a restart"
        assert told.value.place == str(ballast.home.path)
    disk.free_bytes = RELEASE_BYTES + SPARE_BYTES
    demand_space(ballast.home, 0)
    assert ballast.look().held_bytes == SIZE_BYTES
    assert ballast.home.ballast.stat().st_blocks * 512 >= SIZE_BYTES


def test_what_is_begun_on_a_full_disk_is_refused_before_it_writes(ballast: Ballast, disk: Disk) -> None:
    disk.free_bytes = LOW_BYTES - 1
    with pytest.raises(StorageFull, match="nothing is begun"):
        demand_space(ballast.home, 0)


def test_the_ballast_is_part_of_the_floor(ballast: Ballast, disk: Disk) -> None:
    disk.free_bytes = 200_000_000 - SIZE_BYTES
    demand_space(ballast.home, 200_000_000)
    disk.free_bytes -= 1
    with pytest.raises(StorageFull, match="200 MB are kept free"):
        demand_space(ballast.home, 200_000_000)
    assert ballast.look(200_000_000).state is StorageState.LOW


def test_another_size_and_none_at_all_are_followed(ballast: Ballast) -> None:
    for size_bytes in (RELEASE_BYTES, 3 * RELEASE_BYTES):
        ballast.keep(size_bytes)
        assert ballast.look().held_bytes == ballast.look().made_bytes == size_bytes
    ballast.keep(0)
    assert not ballast.home.ballast.exists()
    assert ballast.look().state is StorageState.OK


def test_one_that_was_cut_off_in_the_making_is_made_anew(home: Home) -> None:
    home.ballast.write_bytes(b"\0" * 100_000)
    assert Ballast(home=home).look().state is StorageState.OK
    Ballast(home=home).keep(RELEASE_BYTES)
    assert Ballast(home=home).look().held_bytes == RELEASE_BYTES


def test_it_is_in_no_backup(site: Site, tmp_path: Path) -> None:
    Ballast(home=site.home).keep(RELEASE_BYTES)
    if site.database.is_sqlite:
        assert create_backup(site, tmp_path / "all.tar.gz").size_bytes < RELEASE_BYTES // 16


@pytest.mark.parametrize("is_on", [True, False], ids=["with ballast", "without"])
def test_the_database_makes_room_before_it_writes(ballast: Ballast, disk: Disk, is_on: bool) -> None:
    database = Database(sqlite_url(ballast.home.database), ballast if is_on else None)
    disk.free_bytes = LOW_BYTES - 1
    with database.write() as connection:
        connection.execute(text("CREATE TABLE numbers (value INTEGER)"))
    database.close()
    assert (ballast.look().state is StorageState.FULL) is is_on


def test_after_an_error_of_a_commit_the_connection_is_closed_and_what_counted_is_read_back(home: Home) -> None:
    database = Database(sqlite_url(home.database), Ballast(home=home))
    with database.write() as connection:
        connection.execute(text("CREATE TABLE numbers (value INTEGER)"))
    seen: list[object] = []
    with pytest.raises(StorageFull), database.write() as connection:
        connection.execute(text("INSERT INTO numbers VALUES (1)"))
        used = connection.connection.dbapi_connection
        seen.append(used)
        _commits_and_says_no(connection)
    with database.read() as connection:
        assert connection.connection.dbapi_connection is not seen[0]
        assert connection.execute(text("SELECT value FROM numbers")).scalars().all() == [1]
    database.close()


def _commits_and_says_no(connection: Any) -> None:
    commit = connection.commit

    def uncertain() -> None:
        commit()
        raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    connection.commit = uncertain


def test_only_want_of_room_is_taken_for_it() -> None:
    assert is_no_space(OSError(errno.ENOSPC, ""))
    assert is_no_space(OSError(errno.EDQUOT, ""))
    assert not is_no_space(OSError(errno.EIO, ""))
    assert not is_no_space(ValueError("No space left on device"))
    assert LEAST_BYTES < LOW_BYTES < SPARE_BYTES < RELEASE_BYTES
