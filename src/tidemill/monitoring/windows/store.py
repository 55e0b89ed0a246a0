"""The tables of windows and of how far they are, and their queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.monitoring.windows.job import Known
from tidemill.monitoring.windows.model import Progress, Verdict, Window, WindowState, finding_from_json

metadata = MetaData()
SYSTEM = "monitoring"

window_rows = Table(
    "monitor_window",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("service_id", String(36), nullable=False),
    Column("service", String(63), nullable=False),
    Column("environment", String(63), nullable=False),
    Column("revision_id", String(36), nullable=False),
    Column("revision", String(20), nullable=False),
    Column("model_version_id", String(36), nullable=False),
    Column("starts_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Column("first_id", String(36), nullable=False),
    Column("last_id", String(36), nullable=False),
    Column("state", String(10), nullable=False),
    Column("records", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("truths", Integer, nullable=False),
    Column("report", JSON, nullable=False),
    Column("judged", JSON, nullable=False),
    Column("findings", JSON, nullable=False),
    Column("computed_at", UtcTime, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("service_id", "revision_id", "starts_at", name="monitor_window_start"),
    Index("monitor_window_service", "namespace_id", "service_id", "starts_at"),
)

progress_rows = Table(
    "monitor_progress",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("service_id", String(36), primary_key=True),
    Column("hours", JSON, nullable=False),
    Column("look", String(80), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("problem", Text, nullable=False),
    Column("computed_at", UtcTime, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

_of = window_rows.c
_KNOWN = (_of.revision_id, _of.starts_at, _of.ends_at, _of.first_id, _of.last_id, _of.records, _of.state)


def put_window(connection: Connection, window: Window) -> None:
    """Write a window over the one of the same service, revision and start, which keeps its id."""
    values: dict[str, Any] = {
        **{name: getattr(window, name) for name in Window.__slots__ if name not in ("id", "start", "end")},
        "starts_at": window.start,
        "ends_at": window.end,
        "state": window.state.value,
        "judged": list(window.judged),
        "findings": [each.to_json() for each in window.findings],
    }
    known = connection.execute(
        update(window_rows)
        .where(
            _of.namespace_id == window.namespace_id,
            _of.service_id == window.service_id,
            _of.revision_id == window.revision_id,
            _of.starts_at == window.start,
        )
        .values(**values)
    )
    if known.rowcount == 0:
        made = {"created_by": SYSTEM, "created_at": window.computed_at}
        connection.execute(insert(window_rows).values(id=window.id, **values, **made))


def drop_windows(connection: Connection, namespace_id: str, ids: Sequence[str]) -> None:
    """Remove windows."""
    connection.execute(delete(window_rows).where(_of.namespace_id == namespace_id, _of.id.in_(ids)))


def windows_of(
    connection: Connection,
    namespace_id: str,
    service_id: str,
    *,
    before: tuple[datetime, str] | None = None,
    limit: int = 100,
    revision_id: str | None = None,
) -> list[Window]:
    """The windows of a service, newest first, those before the one of a start and a revision."""
    query = select(window_rows).where(_of.namespace_id == namespace_id, _of.service_id == service_id)
    if before is not None:
        start, revision = before
        query = query.where(or_(_of.starts_at < start, and_(_of.starts_at == start, _of.revision_id < revision)))
    if revision_id is not None:
        query = query.where(_of.revision_id == revision_id)
    rows = connection.execute(query.order_by(_of.starts_at.desc(), _of.revision_id.desc()).limit(limit))
    return [_window(row._mapping) for row in rows]


def window_by_id(connection: Connection, namespace_id: str, window_id: str) -> Window | None:
    """The window of that id."""
    query = select(window_rows).where(_of.namespace_id == namespace_id, _of.id == window_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _window(row._mapping)


def known_windows(
    connection: Connection,
    namespace_id: str,
    service_id: str,
    *,
    state: WindowState | None = None,
    starts: tuple[datetime, datetime] | None = None,
    ids: tuple[str, str] | None = None,
) -> list[Known]:
    """Windows without their reports, oldest first: of a state, that start in a stretch of time (its end excluded), or
    that hold records between two ids."""
    query = select(*_KNOWN).where(_of.namespace_id == namespace_id, _of.service_id == service_id)
    if state is not None:
        query = query.where(_of.state == state.value)
    if starts is not None:
        query = query.where(_of.starts_at >= starts[0], _of.starts_at < starts[1])
    if ids is not None:
        query = query.where(_of.last_id >= ids[0], _of.first_id <= ids[1])
    return [
        Known(
            revision_id=row.revision_id,
            start=row.starts_at,
            end=row.ends_at,
            first_id=row.first_id,
            last_id=row.last_id,
            records=row.records,
            state=WindowState(row.state),
        )
        for row in connection.execute(query.order_by(_of.starts_at))
    ]


def last_ids(connection: Connection, namespace_id: str, service_id: str) -> dict[str, str]:
    """By revision, the last record of its closed windows."""
    query = select(_of.revision_id, func.max(_of.last_id)).where(
        _of.namespace_id == namespace_id, _of.service_id == service_id, _of.state == WindowState.CLOSED.value
    )
    return {str(row[0]): str(row[1]) for row in connection.execute(query.group_by(_of.revision_id))}


def drop_beyond(connection: Connection, namespace_id: str, service_id: str, *, keep: int) -> None:
    """Remove the oldest windows of a service when there are more than `keep`."""
    mine = and_(_of.namespace_id == namespace_id, _of.service_id == service_id)
    last = connection.execute(
        select(_of.starts_at).where(mine).order_by(_of.starts_at.desc()).offset(keep - 1).limit(1)
    ).scalar_one_or_none()
    if last is not None:
        connection.execute(delete(window_rows).where(mine, _of.starts_at < last))


def open_windows(connection: Connection, namespace_id: str, service_id: str) -> list[Window]:
    """The windows of a service that go on."""
    query = select(window_rows).where(
        _of.namespace_id == namespace_id, _of.service_id == service_id, _of.state == WindowState.OPEN.value
    )
    return [_window(row._mapping) for row in connection.execute(query.order_by(_of.starts_at))]


def verdicts_of(
    connection: Connection, namespace_id: str, service_id: str, revision_id: str, *, limit: int
) -> list[Verdict]:
    """What the rules found in the newest closed windows of a revision, oldest first."""
    query = (
        select(_of.id, _of.judged, _of.findings, _of.starts_at, _of.ends_at)
        .where(
            _of.namespace_id == namespace_id,
            _of.service_id == service_id,
            _of.revision_id == revision_id,
            _of.state == WindowState.CLOSED.value,
        )
        .order_by(_of.starts_at.desc())
        .limit(limit)
    )
    found = [
        Verdict(
            window_id=row.id,
            start=row.starts_at,
            end=row.ends_at,
            judged=frozenset(row.judged),
            findings=tuple(finding_from_json(each) for each in row.findings),
        )
        for row in connection.execute(query)
    ]
    return found[::-1]


def progress_of(connection: Connection, namespace_id: str, service_id: str) -> Progress | None:
    """How far the windows of a service are; None before the first computation."""
    row = connection.execute(
        select(progress_rows).where(
            progress_rows.c.namespace_id == namespace_id, progress_rows.c.service_id == service_id
        )
    ).one_or_none()
    return None if row is None else Progress(**{name: row._mapping[name] for name in Progress.__slots__})


def put_progress(connection: Connection, namespace_id: str, service_id: str, progress: Progress) -> None:
    """Write how far the windows of a service are."""
    values = {name: getattr(progress, name) for name in Progress.__slots__}
    known = connection.execute(
        update(progress_rows)
        .where(progress_rows.c.namespace_id == namespace_id, progress_rows.c.service_id == service_id)
        .values(**values)
    )
    if known.rowcount == 0:
        key = {"namespace_id": namespace_id, "service_id": service_id}
        made = {"created_by": SYSTEM, "created_at": progress.computed_at}
        connection.execute(insert(progress_rows).values(**key, **values, **made))


def _window(row: RowMapping) -> Window:
    own = {name: row[name] for name in Window.__slots__ if name not in ("start", "end", "state", "judged", "findings")}
    return Window(
        **own,
        start=row["starts_at"],
        end=row["ends_at"],
        state=WindowState(row["state"]),
        judged=tuple(row["judged"]),
        findings=tuple(finding_from_json(each) for each in row["findings"]),
    )
