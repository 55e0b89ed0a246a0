"""The table of feedback and its queries."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
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
    select,
)

from tidemill.base.database import UtcTime
from tidemill.monitoring.feedback.model import Feedback

metadata = MetaData()

feedback_rows = Table(
    "feedback",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("service_id", String(36), nullable=False),
    Column("prediction_id", String(36), nullable=False),
    Column("row", Integer, nullable=False),
    Column("rating", Integer),
    Column("comment", Text, nullable=False),
    Column("value", JSON, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("namespace_id", "service_id", "prediction_id", "row", "created_by", name="feedback_of_person"),
    Index("feedback_service", "namespace_id", "service_id", "created_at"),
)

_of = feedback_rows.c


def put_feedback(connection: Connection, namespace_id: str, service_id: str, feedback: Feedback) -> None:
    """Write what a person says of a row in place of what they said before."""
    connection.execute(
        delete(feedback_rows).where(
            _own(namespace_id, service_id),
            _of.prediction_id == feedback.prediction_id,
            _of.row == feedback.row,
            _of.created_by == feedback.created_by,
        )
    )
    values = {name: getattr(feedback, name) for name in Feedback.__slots__}
    connection.execute(insert(feedback_rows).values(namespace_id=namespace_id, service_id=service_id, **values))


def count_since(connection: Connection, namespace_id: str, service_id: str, person: str, since: datetime) -> int:
    """How much a person has said of a service since a moment."""
    query = select(func.count()).where(
        _own(namespace_id, service_id), _of.created_by == person, _of.created_at >= since
    )
    return int(connection.execute(query).scalar_one())


def feedback_of(
    connection: Connection, namespace_id: str, service_id: str, *, before: str | None, limit: int
) -> list[Feedback]:
    """Feedback on a service, newest first, at most `limit`; `before` is the id of the last one seen."""
    query = select(feedback_rows).where(_own(namespace_id, service_id))
    if before is not None:
        query = query.where(_of.id < before)
    return [_feedback(row._mapping) for row in connection.execute(query.order_by(_of.id.desc()).limit(limit))]


def feedback_by_id(connection: Connection, namespace_id: str, feedback_id: str) -> Feedback | None:
    """The feedback of that id."""
    row = connection.execute(
        select(feedback_rows).where(_of.namespace_id == namespace_id, _of.id == feedback_id)
    ).one_or_none()
    return None if row is None else _feedback(row._mapping)


def ratings_of(connection: Connection, namespace_id: str, service_id: str) -> dict[int | None, int]:
    """How often each rating was given; None counts feedback without one."""
    query = select(_of.rating, func.count()).where(_own(namespace_id, service_id)).group_by(_of.rating)
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def _own(namespace_id: str, service_id: str) -> Any:
    return and_(_of.namespace_id == namespace_id, _of.service_id == service_id)


def _feedback(row: RowMapping) -> Feedback:
    return Feedback(**{name: row[name] for name in Feedback.__slots__})
