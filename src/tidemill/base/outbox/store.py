"""The table of the outbox and its queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from tidemill.base.database import UtcTime
from tidemill.base.outbox.model import EFFECT_TRANSITIONS, EffectState, QueuedEffect

metadata = MetaData()

outbox_rows = Table(
    "outbox",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("namespace_id", String(36), nullable=False),
    Column("topic", String(64), nullable=False),
    Column("lane", String(200), nullable=False),
    Column("idempotency_key", String(200), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcTime, nullable=False),
    Column("last_error", Text),
    Column("ended_at", UtcTime),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("namespace_id", "topic", "idempotency_key", name="outbox_key"),
    Index("outbox_lane", "topic", "state", "namespace_id", "lane", "number"),
    Index("outbox_ended", "state", "ended_at"),
)


def insert_effect(connection: Connection, effect: QueuedEffect) -> bool:
    """Add an effect, which gets its number here; False when there is one with its key."""
    values = {name: getattr(effect, name) for name in QueuedEffect.__slots__ if name != "number"}
    try:
        with connection.begin_nested():
            connection.execute(insert(outbox_rows).values({**values, "state": effect.state.value}))
    except IntegrityError:
        return False
    return True


def next_due(connection: Connection, topic: str, now: datetime, *, not_after: datetime) -> QueuedEffect | None:
    """The effect of a topic that is due for the longest; one whose lane has an earlier one waiting is not due.

    One that is to wait until a moment after `not_after` is due: the clock was ahead when it was put off.
    """
    earlier = outbox_rows.alias("earlier")
    is_behind = exists().where(
        earlier.c.topic == outbox_rows.c.topic,
        earlier.c.state == EffectState.WAITING.value,
        earlier.c.namespace_id == outbox_rows.c.namespace_id,
        earlier.c.lane == outbox_rows.c.lane,
        earlier.c.number < outbox_rows.c.number,
    )
    query = select(outbox_rows).where(
        outbox_rows.c.topic == topic,
        outbox_rows.c.state == EffectState.WAITING.value,
        or_(outbox_rows.c.next_attempt_at <= now, outbox_rows.c.next_attempt_at > not_after),
        ~is_behind,
    )
    return _first(connection, query.order_by(outbox_rows.c.next_attempt_at, outbox_rows.c.number).limit(1))


def effect_by_id(connection: Connection, namespace_id: str, effect_id: str) -> QueuedEffect | None:
    """One effect."""
    query = select(outbox_rows).where(outbox_rows.c.namespace_id == namespace_id, outbox_rows.c.id == effect_id)
    return _first(connection, query)


def effects_of(
    connection: Connection, namespace_id: str, *, states: Sequence[EffectState], before: int | None, limit: int
) -> list[QueuedEffect]:
    """The effects of a namespace in some states, newest first, those with a number below `before`."""
    query = select(outbox_rows).where(
        outbox_rows.c.namespace_id == namespace_id, outbox_rows.c.state.in_([state.value for state in states])
    )
    if before is not None:
        query = query.where(outbox_rows.c.number < before)
    return _all(connection, query.order_by(outbox_rows.c.number.desc()).limit(limit))


def dead_effects(connection: Connection, *, limit: int) -> list[QueuedEffect]:
    """What was given up, newest first, over all namespaces: for who looks after the site."""
    query = select(outbox_rows).where(outbox_rows.c.state == EffectState.DEAD.value)
    return _all(connection, query.order_by(outbox_rows.c.number.desc()).limit(limit))


def count_effects(connection: Connection, namespace_id: str) -> dict[tuple[str, EffectState], int]:
    """How many effects of each topic wait or are dead."""
    columns = (outbox_rows.c.topic, outbox_rows.c.state)
    found = connection.execute(
        select(*columns, func.count())
        .where(outbox_rows.c.namespace_id == namespace_id, outbox_rows.c.state != EffectState.DONE.value)
        .group_by(*columns)
    )
    return {(row[0], EffectState(row[1])): int(row[2]) for row in found}


def overdue_topics(connection: Connection, before: datetime) -> list[str]:
    """The topics of which something was due before a moment and was not even tried, over all namespaces."""
    found = connection.execute(
        select(outbox_rows.c.topic)
        .distinct()
        .where(
            outbox_rows.c.state == EffectState.WAITING.value,
            outbox_rows.c.attempts == 0,
            outbox_rows.c.next_attempt_at < before,
        )
        .order_by(outbox_rows.c.topic)
    )
    return [row.topic for row in found]


def change_effect(connection: Connection, effect: QueuedEffect, state: EffectState, **values: Any) -> bool:
    """Write an attempt or a state of an effect that nobody else changed meanwhile; False when somebody did."""
    if state is not effect.state and state not in EFFECT_TRANSITIONS[effect.state]:
        raise ValueError(f"an effect cannot go from {effect.state} to {state}")
    changed = connection.execute(
        update(outbox_rows)
        .where(
            outbox_rows.c.namespace_id == effect.namespace_id,
            outbox_rows.c.id == effect.id,
            outbox_rows.c.state == effect.state.value,
            outbox_rows.c.attempts == effect.attempts,
        )
        .values(state=state.value, **values)
    )
    return changed.rowcount == 1


def delete_effect(connection: Connection, namespace_id: str, effect_id: str) -> bool:
    """Delete an effect that was given up; False when there is none such."""
    gone = connection.execute(
        delete(outbox_rows).where(
            outbox_rows.c.namespace_id == namespace_id,
            outbox_rows.c.id == effect_id,
            outbox_rows.c.state == EffectState.DEAD.value,
        )
    )
    return gone.rowcount == 1


def delete_ended(connection: Connection, *, done_before: datetime, dead_before: datetime) -> int:
    """Delete what ended before these moments; how many."""
    rows = outbox_rows.c
    is_done = and_(rows.state == EffectState.DONE.value, rows.ended_at < done_before)
    is_dead = and_(rows.state == EffectState.DEAD.value, rows.ended_at < dead_before)
    return connection.execute(delete(outbox_rows).where(or_(is_done, is_dead))).rowcount


def _first(connection: Connection, query: Select[Any]) -> QueuedEffect | None:
    return next(iter(_all(connection, query)), None)


def _all(connection: Connection, query: Select[Any]) -> list[QueuedEffect]:
    return [
        QueuedEffect(**{**row._mapping, "state": EffectState(row.state)}) for row in connection.execute(query).all()
    ]
