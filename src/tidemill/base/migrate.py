"""Bringing a database up to date: Alembic migrations that ship with the package, in one transaction each."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import inspect, text

from tidemill.base.database import Database
from tidemill.base.errors import Conflict
from tidemill.base.home import Home

HEAD = "0001"
"""The newest revision in `migrations/versions`; a test holds the two together."""

_FOLDER = Path(__file__).with_name("migrations")


def migrate(database: Database, home: Home) -> None:
    """Bring the database to `HEAD`; a database of a newer Tidemill raises `Conflict`, and is left as it is.

    The common case, a database that is up to date, costs one query and does not import Alembic.
    """
    current = revision_of(database)
    if current == HEAD:
        return
    if current is not None and current > HEAD:
        raise Conflict(
            f"a newer Tidemill wrote this database (revision {current}, this one knows {HEAD})",
            place=str(home.path),
            remedy="upgrade with: pip install --upgrade tidemill",
        )
    with _one_at_a_time(home):
        if revision_of(database) != HEAD:
            _upgrade(database)


def revision_of(database: Database) -> str | None:
    """The revision a database is at, None when it is empty."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        value = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if value is None else str(value)


def _upgrade(database: Database) -> None:
    from alembic import command  # 0.2 s, wanted once in a home's life
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _one_at_a_time(home: Home) -> Iterator[None]:
    with open(home.path / "migrate.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
