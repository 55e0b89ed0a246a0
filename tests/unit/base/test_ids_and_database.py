"""Ids sort by time; the database keeps what it said it keeps."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select
from sqlalchemy.exc import StatementError
from tests.conftest import FixedClock

from tidemill.base.ballast import demand_space
from tidemill.base.clock import SystemClock
from tidemill.base.database import Database, UtcTime, sqlite_url
from tidemill.base.errors import Conflict, InvalidInput, StorageFull
from tidemill.base.events import append_event, events_after, last_event_number
from tidemill.base.home import HOME_SCHEMA_VERSION, file_system_of, open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.migrate import migrate
from tidemill.base.site import Site

numbers = Table("number", MetaData(), Column("value", Integer, primary_key=True), Column("at", UtcTime))


def test_ids_of_one_process_sort_by_birth_even_when_the_clock_goes_back() -> None:
    clock = FixedClock()
    ids = Uuid7Ids(clock)
    made = [ids.new() for _ in range(2000)]
    clock.advance(-3600)
    made += [ids.new() for _ in range(2000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {each[14] for each in made} == {"7"}
    assert {each[19] for each in made} <= set("89ab")


def test_ids_of_many_processes_do_not_meet() -> None:
    clock = FixedClock()
    assert len({Uuid7Ids(clock).new() for _ in range(5000)}) == 5000


def test_a_write_that_raises_leaves_nothing(tmp_path: Path) -> None:
    database = _numbers(tmp_path)
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute(insert(numbers).values(value=1))
        raise RuntimeError
    with database.read() as connection:
        assert connection.execute(select(numbers)).all() == []
    database.close()


def test_writers_wait_for_each_other_and_lose_nothing(tmp_path: Path) -> None:
    database = _numbers(tmp_path)

    def work(start: int) -> None:
        for value in range(start, start + 25):
            with database.write() as connection:
                connection.execute(insert(numbers).values(value=value))

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert len(connection.execute(select(numbers)).all()) == 100
    database.close()


@pytest.mark.usefixtures("durable_databases")
def test_sqlite_syncs_every_commit_fully(tmp_path: Path) -> None:
    database = _numbers(tmp_path)
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    database.close()


def test_a_time_without_zone_never_reaches_the_database(tmp_path: Path) -> None:
    database = _numbers(tmp_path)
    with pytest.raises(StatementError, match="without zone"), database.write() as connection:
        connection.execute(insert(numbers).values(value=1, at=datetime(2030, 1, 1)))  # noqa: DTZ001 - the point
    database.close()


def test_events_are_numbered_in_commit_order_and_without_gaps(site: Site) -> None:
    def work(person: str) -> None:
        for _ in range(20):
            with site.database.write() as connection:
                append_event(
                    connection,
                    site.clock,
                    namespace_id="n",
                    kind="test.happened",
                    subject_id="s",
                    data={},
                    created_by=person,
                )

    threads = [threading.Thread(target=work, args=(f"p{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with site.database.read() as connection:
        found = events_after(connection, namespace_id="n", number=0)
        assert [each.number for each in found] == list(range(1, 81))
        assert last_event_number(connection) == 80
        assert events_after(connection, namespace_id="other", number=0) == []


def test_a_home_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_home(tmp_path / "home")
    marker = tmp_path / "home" / "home.json"
    marker.write_text(f'{{"schema_version": {HOME_SCHEMA_VERSION + 1}}}')
    with pytest.raises(Conflict, match="newer Tidemill"):
        open_home(tmp_path / "home")
    assert str(HOME_SCHEMA_VERSION + 1) in marker.read_text()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    database = Database(sqlite_url(home.database))
    migrate(database, home)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Conflict, match="newer Tidemill"):
        migrate(database, home)
    database.close()


def test_a_home_on_a_network_file_system_is_told_by_its_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/vda / ext4 rw 0 0\nserver:/x /mnt/team\\040share nfs4 rw 0 0\n")
    assert file_system_of(Path("/mnt/team share/home"), mounts) == "nfs4"
    assert file_system_of(Path("/mnt/other"), mounts) == "ext4"


def test_a_home_on_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidemill.base.home.file_system_of", lambda _path: "nfs4")
    with pytest.raises(InvalidInput, match="network file system"):
        open_home(tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(InvalidInput, match="not a folder"):
        open_home(tmp_path / "home")


def test_a_home_is_closed_to_others(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    assert oct(home.path.stat().st_mode & 0o777) == "0o700"
    assert oct(home.keys.stat().st_mode & 0o777) == "0o700"


def test_the_system_clock_is_aware() -> None:
    assert SystemClock().now().tzinfo is not None


def _numbers(tmp_path: Path) -> Database:
    database = Database(sqlite_url(tmp_path / "numbers.db"))
    with database.write() as connection:
        numbers.create(connection)
    return database


def test_a_disk_below_its_floor_is_refused_before_anything_is_begun(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    demand_space(home, 0)
    with pytest.raises(StorageFull, match="kept free"):
        demand_space(home, 2**62)
