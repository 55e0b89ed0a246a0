"""What all tests share: a site in a temporary home, and people in it."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect, text
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from tidemill.access import Actor, Role, ensure_namespace
from tidemill.base.clock import SystemClock
from tidemill.base.database import Database, sqlite_url
from tidemill.base.home import Home, open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.migrate import migrate
from tidemill.base.site import Site
from tidemill.locks import Venv, ensure_tool
from tidemill.platform import Platform


@dataclass
class FixedClock:
    """A clock that moves only when told to."""

    moment: datetime = field(default_factory=lambda: datetime(2030, 1, 1, 12, tzinfo=UTC))
    monotonic: float = 1000.0

    def now(self) -> datetime:
        return self.moment

    def monotonic_seconds(self) -> float:
        return self.monotonic

    def advance(self, seconds: float) -> None:
        """Move both readings on."""
        self.moment += timedelta(seconds=seconds)
        self.monotonic += seconds


@dataclass(frozen=True)
class People:
    """One person of each kind in one namespace."""

    owner: Actor
    author: Actor
    approver: Actor
    viewer: Actor


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


_opened: list[Database] = []
_compiled: dict[Any, Any] = {}
_waits_for_disks: list[bool] = []


def _hurry(connection: sqlite3.Connection, _record: object) -> None:
    """What a killed process has written stays; only a machine without power would lose some, and tests have none."""
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def durable_databases() -> Iterator[None]:
    """The databases of a test sync as those of a site do."""
    _waits_for_disks.append(True)
    yield
    _waits_for_disks.pop()


@pytest.fixture(scope="session", autouse=True)
def known_databases() -> Iterator[None]:
    """Every database that this process opens is known and waits for no disk; the SQL of a statement is made once."""
    begin = Database.__init__

    def remembered(self: Database, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        _opened.append(self)
        if self.is_sqlite:
            self.engine.update_execution_options(compiled_cache=_compiled)
            if not _waits_for_disks:
                event.listen(self.engine, "connect", _hurry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "__init__", remembered)
        patch.setattr(SQLiteDialect_pysqlite, "__hash__", lambda self: hash(type(self)))
        patch.setattr(SQLiteDialect_pysqlite, "__eq__", lambda self, other: type(self) is type(other))
        yield


@pytest.fixture(autouse=True)
def closed_databases(known_databases: None) -> Iterator[None]:
    """The databases that a test opens are closed with it: processes close theirs by ending."""
    before = len(_opened)
    yield
    while len(_opened) > before:
        _opened.pop().close()


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """No variable of the caller's shell reaches a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("TIDEMILL_") and not name.startswith("TIDEMILL_PEER_"):
                patch.delenv(name)
        yield


_homes = itertools.count()


@pytest.fixture(autouse=True)
def own_home(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The home of a test is its own: in its folder if it has one, and else nothing is made before it is wanted."""
    has_folder = "tmp_path" in request.fixturenames
    folder = request.getfixturevalue("tmp_path") if has_folder else tmp_path_factory.getbasetemp() / f"h{next(_homes)}"
    monkeypatch.setenv("TIDEMILL_HOME", str(folder / "home"))


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands still."""
    return FixedClock()


POSTGRES_URL = os.environ.get("TIDEMILL_PEER_POSTGRES", "")
"""Set by the test that runs the same tests on PostgreSQL; else they run on SQLite."""


def _fresh_postgres(home: Home) -> Database:
    """A migrated and empty PostgreSQL database: the one of the tests before, emptied."""
    database = Database(POSTGRES_URL)
    migrate(database, home)
    with database.write() as connection:
        names = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
        connection.execute(text("TRUNCATE " + ", ".join(f'"{name}"' for name in names)))
    return database


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database that the migrations made, once for all tests; each site starts with a copy."""
    home = open_home(tmp_path_factory.mktemp("template") / "home")
    database = Database(sqlite_url(home.database))
    migrate(database, home)
    database.close()
    return home.database


@pytest.fixture
def platform(tmp_path: Path, migrated_database: Path) -> Iterator[Platform]:
    """A platform on a home of its own."""
    made = Platform(home=tmp_path / "home")
    shutil.copyfile(migrated_database, made.home.database)
    yield made
    made.site.database.close()


@pytest.fixture(scope="module")
def shared_platform(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Iterator[Platform]:
    """A platform for those tests of a file that leave it as it was: their app is made once."""
    made = Platform(home=tmp_path_factory.mktemp("shared") / "home")
    shutil.copyfile(migrated_database, made.home.database)
    yield made
    made.site.database.close()


@pytest.fixture
def site(tmp_path: Path, migrated_database: Path) -> Iterator[Site]:
    """A site on SQLite with the machine's clock."""
    yield from _open_site(tmp_path, SystemClock(), migrated_database)


@pytest.fixture
def still_site(tmp_path: Path, clock: FixedClock, migrated_database: Path) -> Iterator[Site]:
    """A site whose clock stands still."""
    yield from _open_site(tmp_path, clock, migrated_database)


@pytest.fixture
def people(site: Site) -> People:
    """People of the site's default namespace."""
    return people_of(site)


def people_of(site: Site) -> People:
    """One person of each kind in the default namespace of a site."""
    namespace = ensure_namespace(site, "default", created_by="test")

    def person(name: str, role: Role) -> Actor:
        return Actor(person=name, namespace_id=namespace.id, roles=frozenset({role}))

    return People(
        owner=person("olga", Role.OWNER),
        author=person("alan", Role.CONTRIBUTOR),
        approver=person("ada", Role.APPROVER),
        viewer=person("vera", Role.VIEWER),
    )


@pytest.fixture(scope="session")
def dvc_tool(tmp_path_factory: pytest.TempPathFactory) -> Venv:
    """DVC's own environment, made once for all tests."""
    clock = SystemClock()
    home = open_home(tmp_path_factory.mktemp("tool"))
    return ensure_tool(Site(home=home, database=Database("sqlite://"), clock=clock, ids=Uuid7Ids(clock)), "dvc")


def _open_site(tmp_path: Path, clock: SystemClock | FixedClock, template: Path) -> Iterator[Site]:
    home = open_home(tmp_path / "home")
    if POSTGRES_URL:
        database = _fresh_postgres(home)
    else:
        shutil.copyfile(template, home.database)
        database = Database(sqlite_url(home.database))
    yield Site(home=home, database=database, clock=clock, ids=Uuid7Ids(clock))
    database.close()


BUDGET_SECONDS = {
    "unit": 60,
    "structure": 40,
    "contract": 40,
    "integration": 290,
    "faults": 130,
    "acceptance": 280,
    "browser": 120,
}
"""What each folder may take in all workers together; printed beside what it took, never asserted."""

_taken: dict[str, float] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up the time of each folder."""
    parts = Path(report.nodeid.partition("::")[0]).parts
    folder = parts[1] if len(parts) > 1 else parts[0]
    _taken[folder] = _taken.get(folder, 0.0) + report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the time of each folder beside its budget, and how many tests were skipped."""
    terminalreporter.section("budget per folder")
    for folder, seconds in sorted(_taken.items()):
        budget = BUDGET_SECONDS.get(folder)
        mark = "" if budget is None else f" of {budget} s" + ("  OVER" if seconds > budget else "")
        terminalreporter.write_line(f"{folder:12} {seconds:6.1f} s{mark}")
    terminalreporter.write_line(f"skipped: {len(terminalreporter.stats.get('skipped', []))} (reasons above)")
