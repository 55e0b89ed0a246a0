"""The table of idempotency keys: who answers a request now, what it did, and the answer that it got."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    and_,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from tidemill.base.database import UtcTime
from tidemill.base.errors import Conflict
from tidemill.base.process import is_alive, start_ticks, this_host

metadata = MetaData()

answer_rows = Table(
    "idempotent_answer",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("request_digest", String(80), nullable=False),
    Column("attempt", String(36)),
    Column("host", String(128)),
    Column("pid", Integer),
    Column("start_ticks", BigInteger),
    Column("held_until", UtcTime, nullable=False),
    Column("done", JSON, nullable=False),
    Column("status", Integer),
    Column("content_type", String(200)),
    Column("body", LargeBinary),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

KEPT = timedelta(hours=24)
HELD = timedelta(seconds=10)
"""How long an attempt that does not say that it lives keeps its key from a server of another machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that was given; `status` is None while the first request is still at work."""

    request_digest: str
    status: int | None
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One go at a request: `id` stands in the key's row until the answer does, or another attempt takes over.

    `done` is what the attempts before it committed, as kind and subject of their events.
    """

    namespace_id: str
    key: str
    id: str
    done: tuple[tuple[str, str], ...] = ()


def reserve(
    connection: Connection, attempt: Attempt, *, request_digest: str, person: str, now: datetime
) -> Answer | Attempt:
    """Take the key for an attempt, or give what stands under it.

    Taken are a new key, one that an attempt gave back, and one whose holder is gone: its process has ended, or it has
    not said for `HELD` that it lives.
    """
    connection.execute(delete(answer_rows).where(answer_rows.c.created_at < now - KEPT))
    row = connection.execute(select(answer_rows).where(_is(attempt)).with_for_update()).one_or_none()
    holder = {
        "attempt": attempt.id,
        "host": this_host(),
        "pid": os.getpid(),
        "start_ticks": start_ticks(os.getpid()),
        "held_until": now + HELD,
    }
    if row is None:
        known = {"namespace_id": attempt.namespace_id, "key": attempt.key, "request_digest": request_digest}
        made = {"done": [], "created_by": person, "created_at": now}
        try:
            with connection.begin_nested():
                connection.execute(insert(answer_rows).values(**known, **holder, **made))
        except IntegrityError:  # the same request came twice at the same moment
            return Answer(request_digest=request_digest, status=None, content_type="", body=b"")
        return attempt
    if row.request_digest != request_digest or row.status is not None or not _is_free(row, now):
        return Answer(
            request_digest=row.request_digest,
            status=row.status,
            content_type=row.content_type or "",
            body=row.body or b"",
        )
    connection.execute(update(answer_rows).where(_is(attempt)).values(**holder))
    done = tuple((str(kind), str(subject)) for kind, subject in row.done)
    return Attempt(namespace_id=attempt.namespace_id, key=attempt.key, id=attempt.id, done=done)


def note(connection: Connection, attempt: Attempt, kind: str, subject_id: str) -> None:
    """Add to what the request did, in the transaction that does it; `Conflict` when another attempt has the key."""
    row = connection.execute(select(answer_rows.c.done).where(_holds(attempt)).with_for_update()).one_or_none()
    if row is None:
        raise Conflict("another attempt of this request took over: what this one writes is refused")
    noted = [*row.done, [kind, subject_id]]
    connection.execute(update(answer_rows).where(_holds(attempt)).values(done=noted))


def hold(connection: Connection, attempt: Attempt, now: datetime) -> None:
    """Say that the attempt is still at work."""
    connection.execute(update(answer_rows).where(_holds(attempt)).values(held_until=now + HELD))


def keep(connection: Connection, attempt: Attempt, *, status: int, content_type: str, body: bytes) -> None:
    """Keep the answer under its key."""
    values = {"status": status, "content_type": content_type, "body": body, "attempt": None}
    connection.execute(update(answer_rows).where(_holds(attempt)).values(**values))


def give_back(connection: Connection, attempt: Attempt) -> None:
    """Free the key of an attempt without answer; what was done under it stays noted."""
    done = connection.execute(select(answer_rows.c.done).where(_holds(attempt))).scalar_one_or_none()
    if done:
        connection.execute(update(answer_rows).where(_holds(attempt)).values(attempt=None))
    else:
        connection.execute(delete(answer_rows).where(_holds(attempt)))


def _is(attempt: Attempt) -> ColumnElement[bool]:
    return and_(answer_rows.c.namespace_id == attempt.namespace_id, answer_rows.c.key == attempt.key)


def _holds(attempt: Attempt) -> ColumnElement[bool]:
    return and_(_is(attempt), answer_rows.c.attempt == attempt.id)


def _is_free(row: Row[tuple[object, ...]], now: datetime) -> bool:
    if row.attempt is None or row.held_until <= now:
        return True
    return bool(row.host == this_host() and not is_alive(row.pid, row.start_ticks))
