"""Events: what happened, numbered in commit order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from tidemill.base.clock import Clock
from tidemill.base.database import UtcTime
from tidemill.base.repeats import note_done

metadata = MetaData()

event_number = Table(
    "event_number",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
)

event_rows = Table(
    "event",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("namespace_id", String(36), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("subject_id", String(64), nullable=False),
    Column("data", JSON, nullable=False),
    Column("trace_id", String(36)),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("event_namespace_number", "namespace_id", "number"),
    Index("event_subject", "subject_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a subject (a run, a review, a service); `kind` reads like `run.succeeded`."""

    number: int
    namespace_id: str
    kind: str
    subject_id: str
    data: dict[str, Any]
    created_by: str
    created_at: datetime


def append_event(
    connection: Connection,
    clock: Clock,
    *,
    namespace_id: str,
    kind: str,
    subject_id: str,
    data: dict[str, Any],
    created_by: str,
) -> int:
    """Write an event in the caller's transaction and return its number.

    Numbers follow commit order: the counter row is locked from here to the commit. A request with an idempotency key
    remembers the event; `Conflict` when another attempt of the request took over meanwhile.
    """
    note_done(connection, kind, subject_id)
    counted = _count(connection) or _first_count(connection)
    connection.execute(
        insert(event_rows).values(
            number=counted,
            namespace_id=namespace_id,
            kind=kind,
            subject_id=subject_id,
            data={"schema_version": 1, **data},
            created_by=created_by,
            created_at=clock.now(),
        )
    )
    return counted


def _count(connection: Connection) -> int | None:
    """The next number, None while there is no counter."""
    raised = update(event_number).where(event_number.c.id == 1).values(last=event_number.c.last + 1)
    value = connection.execute(raised.returning(event_number.c.last)).scalar_one_or_none()
    return None if value is None else int(value)


def _first_count(connection: Connection) -> int:
    """Make the counter; somebody else may be doing the same, and is waited for."""
    try:
        with connection.begin_nested():
            connection.execute(insert(event_number).values(id=1, last=1))
    except IntegrityError:
        number = _count(connection)
        assert number is not None  # whoever made it has committed
        return number
    return 1


def events_after(
    connection: Connection, *, namespace_id: str, number: int, kinds: Sequence[str] = (), limit: int = 500
) -> list[Event]:
    """The events of a namespace after a number, oldest first, at most `limit`; `kinds` narrows them."""
    query = select(event_rows).where(event_rows.c.namespace_id == namespace_id, event_rows.c.number > number)
    if kinds:
        query = query.where(event_rows.c.kind.in_(kinds))
    found = connection.execute(query.order_by(event_rows.c.number).limit(limit))
    return [_event(row._mapping) for row in found]


def events_of_all(connection: Connection, *, number: int, kinds: Sequence[str], limit: int) -> list[Event]:
    """The events of these kinds after a number, oldest first, over all namespaces: for parts that act for nobody."""
    query = select(event_rows).where(event_rows.c.number > number, event_rows.c.kind.in_(kinds))
    found = connection.execute(query.order_by(event_rows.c.number).limit(limit))
    return [_event(row._mapping) for row in found]


def events_of(connection: Connection, *, namespace_id: str, subject_id: str) -> list[Event]:
    """All events of one subject, oldest first."""
    found = connection.execute(
        select(event_rows)
        .where(event_rows.c.namespace_id == namespace_id, event_rows.c.subject_id == subject_id)
        .order_by(event_rows.c.number)
    )
    return [_event(row._mapping) for row in found]


def last_event_number(connection: Connection) -> int:
    """The number of the newest event, 0 when there is none."""
    return int(connection.execute(select(func.coalesce(func.max(event_number.c.last), 0))).scalar_one())


def _event(row: Any) -> Event:
    return Event(
        number=row["number"],
        namespace_id=row["namespace_id"],
        kind=row["kind"],
        subject_id=row["subject_id"],
        data=row["data"],
        created_by=row["created_by"],
        created_at=row["created_at"],
    )
