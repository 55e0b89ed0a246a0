"""The tables of ground truth and their queries; a truth is never changed, the last one said of a row counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    and_,
    func,
    insert,
    select,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.monitoring.truth.model import Correction, Delivery, Truth, TruthSource

metadata = MetaData()
AT_A_TIME = 400

truth_rows = Table(
    "ground_truth",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("service_id", String(36), primary_key=True),
    Column("prediction_id", String(36), primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("value", JSON, nullable=False),
    Column("source", String(20), nullable=False),
    Column("is_current", Boolean, nullable=False),
    Column("is_applied", Boolean, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("ground_truth_pending", "is_applied", "namespace_id", "service_id"),
)

delivery_rows = Table(
    "truth_delivery",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("service_id", String(36), nullable=False),
    Column("received", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("repeated", Integer, nullable=False),
    Column("corrected", Integer, nullable=False),
    Column("unknown", Integer, nullable=False),
    Column("unknown_names", JSON, nullable=False),
    Column("corrections", JSON, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("truth_delivery_service", "namespace_id", "service_id"),
)

_of = truth_rows.c


def current_truths(
    connection: Connection, namespace_id: str, service_id: str, prediction_ids: Iterable[str]
) -> dict[tuple[str, int], Truth]:
    """The last truth of each row of these predictions."""
    ids = sorted(set(prediction_ids))
    found = {}
    for place in range(0, len(ids), AT_A_TIME):
        query = select(truth_rows).where(
            _own(namespace_id, service_id), _of.is_current, _of.prediction_id.in_(ids[place : place + AT_A_TIME])
        )
        for row in connection.execute(query):
            found[row.prediction_id, row.row] = _truth(row._mapping)
    return found


def truths_between(
    connection: Connection, namespace_id: str, service_id: str, first_id: str, before_id: str, *, limit: int
) -> dict[str, dict[int, Any]]:
    """The values that count, by prediction id and row, of the predictions with ids from one to before another."""
    query = (
        select(_of.prediction_id, _of.row, _of.value)
        .where(
            _own(namespace_id, service_id),
            _of.is_current,
            _of.prediction_id >= first_id,
            _of.prediction_id < before_id,
        )
        .order_by(_of.prediction_id, _of.row)
        .limit(limit)
    )
    found: dict[str, dict[int, Any]] = {}
    for row in connection.execute(query):
        found.setdefault(row.prediction_id, {})[row.row] = row.value
    return found


def insert_truths(connection: Connection, namespace_id: str, service_id: str, truths: Sequence[Truth]) -> None:
    """Add truths; each becomes the one that counts of its row."""
    for truth in truths:
        if truth.number > 1:
            connection.execute(
                update(truth_rows)
                .where(
                    _own(namespace_id, service_id),
                    _of.prediction_id == truth.prediction_id,
                    _of.row == truth.row,
                    _of.is_current,
                )
                .values(is_current=False, is_applied=True)
            )
    rows = [
        {
            "namespace_id": namespace_id,
            "service_id": service_id,
            **{name: getattr(truth, name) for name in Truth.__slots__ if name != "source"},
            "source": truth.source.value,
            "is_current": True,
            "is_applied": False,
        }
        for truth in truths
    ]
    if rows:
        connection.execute(insert(truth_rows), rows)


def pending_truths(
    connection: Connection, namespace_id: str, service_id: str, *, limit: int
) -> list[tuple[str, int, int]]:
    """Prediction id, row and number of truths that no window was computed with yet, oldest prediction first."""
    query = (
        select(_of.prediction_id, _of.row, _of.number)
        .where(_own(namespace_id, service_id), _of.is_applied.is_(False))
        .order_by(_of.prediction_id, _of.row)
        .limit(limit)
    )
    return [(row.prediction_id, row.row, row.number) for row in connection.execute(query)]


def mark_applied(
    connection: Connection, namespace_id: str, service_id: str, truths: Iterable[tuple[str, int, int]]
) -> None:
    """Note that the windows of these truths were computed with them."""
    for prediction_id, row, number in truths:
        connection.execute(
            update(truth_rows)
            .where(
                _own(namespace_id, service_id),
                _of.prediction_id == prediction_id,
                _of.row == row,
                _of.number == number,
            )
            .values(is_applied=True)
        )


def count_truths(connection: Connection, namespace_id: str, service_id: str) -> dict[str, int]:
    """How many rows have a truth, and how many truths were corrected later."""
    query = select(_of.is_current, func.count()).where(_own(namespace_id, service_id)).group_by(_of.is_current)
    counts = {bool(row[0]): int(row[1]) for row in connection.execute(query)}
    return {"rows": counts.get(True, 0), "corrections": counts.get(False, 0)}


def insert_delivery(connection: Connection, namespace_id: str, service_id: str, delivery: Delivery) -> None:
    """Keep what became of a batch."""
    values = {name: getattr(delivery, name) for name in Delivery.__slots__}
    values |= {
        "unknown_names": list(delivery.unknown_names),
        "corrections": [asdict(each) for each in delivery.corrections],
    }
    connection.execute(insert(delivery_rows).values(namespace_id=namespace_id, service_id=service_id, **values))


def deliveries_of(connection: Connection, namespace_id: str, service_id: str, *, limit: int) -> list[Delivery]:
    """The newest batches of a service."""
    query = (
        select(delivery_rows)
        .where(delivery_rows.c.namespace_id == namespace_id, delivery_rows.c.service_id == service_id)
        .order_by(delivery_rows.c.id.desc())
        .limit(limit)
    )
    return [_delivery(row._mapping) for row in connection.execute(query)]


def delivery_by_id(connection: Connection, namespace_id: str, delivery_id: str) -> Delivery | None:
    """The batch of that id."""
    query = select(delivery_rows).where(delivery_rows.c.namespace_id == namespace_id, delivery_rows.c.id == delivery_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _delivery(row._mapping)


def count_unknown(connection: Connection, namespace_id: str, service_id: str) -> int:
    """How many items of all batches named nothing."""
    query = select(func.coalesce(func.sum(delivery_rows.c.unknown), 0)).where(
        delivery_rows.c.namespace_id == namespace_id, delivery_rows.c.service_id == service_id
    )
    return int(connection.execute(query).scalar_one())


def _delivery(row: RowMapping) -> Delivery:
    values = {name: row[name] for name in Delivery.__slots__}
    corrections = tuple(Correction(**each) for each in row["corrections"])
    return Delivery(**{**values, "unknown_names": tuple(row["unknown_names"]), "corrections": corrections})


def _own(namespace_id: str, service_id: str) -> Any:
    return and_(_of.namespace_id == namespace_id, _of.service_id == service_id)


def _truth(row: RowMapping) -> Truth:
    values = {name: row[name] for name in Truth.__slots__}
    return Truth(**{**values, "source": TruthSource(row["source"])})
