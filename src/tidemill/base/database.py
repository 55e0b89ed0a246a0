"""The database: SQLite in WAL with full sync, or PostgreSQL; one way to write and one to read."""

from __future__ import annotations

import copy
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, String, TypeDecorator, create_engine, event, text
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from tidemill.base.ballast import LEAST_BYTES, Ballast
from tidemill.base.errors import StorageFull, Unavailable

BUSY_TIMEOUT_SECONDS = 20
_FULL = ("disk is full", "No space left", "quota exceeded")
_MAYBE_FULL = ("I/O error", "unable to open database file")
_DAMAGED = ("file is not a database", "database disk image is malformed")


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as RFC 3339 text with microseconds: it sorts and reads alike everywhere."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone reached the database")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Database:
    """Where the state is.

    `write` is one transaction that holds the write lock from its first statement; `read` sees one snapshot.
    Neither may hold user code or I/O inside. Foreign errors become `StorageFull` or `Unavailable`. After an error of a
    commit nobody knows whether it counted: its connection is closed, and the caller reads back. On a disk without room
    the ballast makes some, before a transaction or after one that failed.
    """

    def __init__(self, url: str, ballast: Ballast | None = None) -> None:
        self.url = url
        self._ballast = ballast
        self._engine: Engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        self._demand: Callable[[Connection], None] | None = None
        self.is_sqlite = self._engine.dialect.name == "sqlite"
        if self.is_sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for migrations only."""
        return self._engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One writing transaction: commits at the end, rolls back on an error."""
        with self._with_room(), self._engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            with _committing(connection):
                if self._demand is not None:
                    self._demand(connection)
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction, rolled back at the end."""
        with self._with_room(), self._engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    def demanding(self, demand: Callable[[Connection], None]) -> Database:
        """This database for somebody whose every writing transaction starts with `demand`, which may refuse it."""
        other = copy.copy(self)
        other._demand = demand
        return other

    def check(self) -> None:
        """Raise `Unavailable` unless the database answers."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every connection; call it in a child before it does anything else with the database, too."""
        self._engine.dispose()

    @contextmanager
    def _with_room(self) -> Iterator[None]:
        """With room to work in as far as the ballast goes; errors as ours."""
        if self._ballast is not None:
            self._ballast.relieve()
        try:
            with _translated(self._engine, self._is_out_of_room):
                yield
        except StorageFull:
            if self._ballast is not None:
                self._ballast.relieve(has_failed=True)
            raise

    def _is_out_of_room(self) -> bool:
        if self._ballast is not None:
            return self._ballast.is_out_of_room()
        path = self._engine.url.database
        if not self.is_sqlite or not path:
            return False
        room = os.statvfs(Path(path).parent)
        return room.f_bavail * room.f_frsize < LEAST_BYTES


def sqlite_url(path: Path) -> str:
    """The address of a SQLite file."""
    return f"sqlite:///{path}"


@contextmanager
def _committing(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    try:
        connection.commit()
    except DBAPIError:
        connection.invalidate()  # what such a connection still says of itself is not to be trusted
        raise


@contextmanager
def _translated(engine: Engine, is_out_of_room: Callable[[], bool]) -> Iterator[None]:
    try:
        yield
    except OperationalError as problem:
        cause = str(problem.orig)
        if any(words in cause for words in _FULL) or (
            any(words in cause for words in _MAYBE_FULL) and is_out_of_room()
        ):
            raise StorageFull(
                "the disk is full, so the database cannot grow",
                place=engine.url.database,
                remedy="free some space, then do it again: nothing is lost",
            ) from problem
        raise Unavailable(f"the database does not answer: {cause}", remedy="tidemill doctor") from problem
    except DBAPIError as problem:
        if isinstance(problem, DatabaseError) and any(words in str(problem.orig) for words in _DAMAGED):
            raise Unavailable(
                f"the database is damaged: {problem.orig}",
                place=engine.url.database,
                remedy="move the home away and restore a backup: tidemill backup restore --help",
            ) from problem
        if problem.connection_invalidated:
            raise Unavailable("the connection to the database was lost", remedy="try again") from problem
        raise


def _prepare_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    # The driver must not open transactions by itself: `write` and `read` say which kind they want.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
    _enter_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _enter_wal(cursor: sqlite3.Cursor) -> None:
    """Change to the write-ahead log; SQLite does not wait by itself for another process that does so just now."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem) or time.monotonic() > deadline:
                raise
        time.sleep(0.02)
