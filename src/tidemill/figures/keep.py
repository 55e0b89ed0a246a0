"""A sample a minute in a file of its own, which may lose its last ones: never in the database of the state."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from tidemill.base.home import Home
from tidemill.figures.model import Sample, sample_from_json

KEPT = timedelta(days=14)
BUSY_SECONDS = 2.0


def keep_sample(home: Home, sample: Sample) -> None:
    """Keep a sample, and forget those older than `KEPT`; `OSError` when the file cannot be written."""
    with _opened(home) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS sample (at TEXT PRIMARY KEY, figures TEXT NOT NULL)")
        connection.execute(
            "INSERT OR REPLACE INTO sample VALUES (?, ?)", (sample.at.isoformat(), json.dumps(sample.to_json()))
        )
        connection.execute("DELETE FROM sample WHERE at < ?", ((sample.at - KEPT).isoformat(),))


def kept_samples(home: Home, since: datetime, until: datetime) -> list[Sample]:
    """The kept samples from a moment on and before another, oldest first; none where nothing was kept."""
    if not _file(home).exists():
        return []
    with _opened(home) as connection:
        rows = connection.execute(
            "SELECT figures FROM sample WHERE at >= ? AND at < ? ORDER BY at", (since.isoformat(), until.isoformat())
        ).fetchall()
    return [sample_from_json(json.loads(row[0])) for row in rows]


def newest_samples(home: Home, count: int) -> list[Sample]:
    """The samples that were kept last, at most so many, in the order in which they were taken, whatever the clock."""
    if not _file(home).exists():
        return []
    with _opened(home) as connection:
        query = "SELECT figures FROM sample ORDER BY rowid DESC LIMIT ?"
        rows = connection.execute(query, (count,)).fetchall()
    return [sample_from_json(json.loads(row[0])) for row in reversed(rows)]


def _file(home: Home) -> Path:
    return home.telemetry / "figures.db"


@contextmanager
def _opened(home: Home) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(_file(home), timeout=BUSY_SECONDS)) as connection:
            yield connection
    except sqlite3.Error as problem:
        raise OSError(f"the figures cannot be kept or read: {problem}") from problem
