"""The table of answers already given to an idempotency key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from tidemill.base.database import UtcTime

metadata = MetaData()

answer_rows = Table(
    "idempotent_answer",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("request_digest", String(80), nullable=False),
    Column("status", Integer),
    Column("content_type", String(200)),
    Column("body", LargeBinary),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that was given; `status` is None while the first request is still at work."""

    request_digest: str
    status: int | None
    content_type: str
    body: bytes


def reserve(
    connection: Connection, *, namespace_id: str, key: str, request_digest: str, person: str, now: datetime
) -> Answer | None:
    """Reserve a key, or give what stands under it."""
    connection.execute(delete(answer_rows).where(answer_rows.c.created_at < now - KEPT))
    row = connection.execute(
        select(answer_rows).where(answer_rows.c.namespace_id == namespace_id, answer_rows.c.key == key)
    ).one_or_none()
    if row is not None:
        return Answer(
            request_digest=row.request_digest,
            status=row.status,
            content_type=row.content_type or "",
            body=row.body or b"",
        )
    connection.execute(
        insert(answer_rows).values(
            namespace_id=namespace_id, key=key, request_digest=request_digest, created_by=person, created_at=now
        )
    )
    return None


def keep(connection: Connection, *, namespace_id: str, key: str, status: int, content_type: str, body: bytes) -> None:
    """Keep the answer under its key."""
    connection.execute(
        update(answer_rows)
        .where(answer_rows.c.namespace_id == namespace_id, answer_rows.c.key == key)
        .values(status=status, content_type=content_type, body=body)
    )


def forget(connection: Connection, *, namespace_id: str, key: str) -> None:
    """Free a key whose request failed before it did anything."""
    connection.execute(delete(answer_rows).where(answer_rows.c.namespace_id == namespace_id, answer_rows.c.key == key))
