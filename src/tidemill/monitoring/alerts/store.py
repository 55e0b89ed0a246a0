"""The table of alerts and its queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
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
    insert,
    select,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.base.leases import SITE_WIDE
from tidemill.monitoring.alerts.model import ACTIVE, Alert, AlertState
from tidemill.monitoring.rules import AlertKind

metadata = MetaData()
SYSTEM = "monitoring"

alert_rows = Table(
    "alert",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("service_id", String(36), nullable=False),
    Column("service", String(63), nullable=False),
    Column("environment", String(63), nullable=False),
    Column("revision_id", String(36), nullable=False),
    Column("revision", String(20), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("name", String(40), nullable=False),
    Column("feature", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("value", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("window_id", String(36), nullable=False),
    Column("window_start", UtcTime, nullable=False),
    Column("window_end", UtcTime, nullable=False),
    Column("message", Text, nullable=False),
    Column("raised_at", UtcTime),
    Column("resolved_at", UtcTime),
    Column("told_at", UtcTime),
    Column("acknowledged_by", String(128)),
    Column("acknowledged_at", UtcTime),
    Column("silenced_by", String(128)),
    Column("silenced_until", UtcTime),
    Column("generation", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("alert_service", "namespace_id", "service_id", "state"),
    Index("alert_state", "state"),
)

_of = alert_rows.c
_ACTIVE = [state.value for state in ACTIVE]


def insert_alert(connection: Connection, alert: Alert) -> None:
    """Add an alert."""
    connection.execute(insert(alert_rows).values(**_values(alert), created_by=SYSTEM))


def update_alert(connection: Connection, alert: Alert) -> bool:
    """Write an alert over the one of the generation before; False when somebody else was first."""
    changed = connection.execute(
        update(alert_rows)
        .where(_of.namespace_id == alert.namespace_id, _of.id == alert.id, _of.generation == alert.generation - 1)
        .values(**_values(alert))
    )
    return changed.rowcount == 1


def alert_by_id(connection: Connection, namespace_id: str, alert_id: str) -> Alert | None:
    """The alert of that id."""
    row = connection.execute(
        select(alert_rows).where(_of.namespace_id == namespace_id, _of.id == alert_id)
    ).one_or_none()
    return None if row is None else _alert(row._mapping)


def active_alerts(connection: Connection, namespace_id: str, service_id: str) -> list[Alert]:
    """The alerts of a service that are pending or raised."""
    query = select(alert_rows).where(
        _of.namespace_id == namespace_id, _of.service_id == service_id, _of.state.in_(_ACTIVE)
    )
    return [_alert(row._mapping) for row in connection.execute(query.order_by(_of.id))]


def services_with_alerts(connection: Connection) -> list[tuple[str, str]]:
    """Namespace and id of every service that has a pending or raised alert, or had one and is gone."""
    query = select(_of.namespace_id, _of.service_id).where(_of.state.in_(_ACTIVE), _of.service_id != SITE_WIDE)
    return sorted((row.namespace_id, row.service_id) for row in connection.execute(query.distinct()))


def last_of_key(connection: Connection, alert: Alert) -> Alert | None:
    """The newest alert of the same service, revision, name and feature."""
    query = select(alert_rows).where(
        _of.namespace_id == alert.namespace_id,
        _of.service_id == alert.service_id,
        _of.revision_id == alert.revision_id,
        _of.name == alert.name,
        _of.feature == alert.feature,
    )
    row = connection.execute(query.order_by(_of.id.desc()).limit(1)).one_or_none()
    return None if row is None else _alert(row._mapping)


def alerts_of(
    connection: Connection,
    namespace_id: str,
    *,
    states: Sequence[AlertState] = (),
    service: str | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[Alert]:
    """Alerts, newest first, at most `limit`; `before` is the id of the last one seen."""
    query = select(alert_rows).where(_of.namespace_id == namespace_id)
    if states:
        query = query.where(_of.state.in_([state.value for state in states]))
    if service is not None:
        query = query.where(_of.service == service)
    if before is not None:
        query = query.where(_of.id < before)
    return [_alert(row._mapping) for row in connection.execute(query.order_by(_of.id.desc()).limit(limit))]


def _values(alert: Alert) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(alert, name) for name in Alert.__slots__}
    return {**values, "kind": alert.kind.value, "state": alert.state.value}


def _alert(row: RowMapping) -> Alert:
    values = {name: row[name] for name in Alert.__slots__}
    return Alert(**{**values, "kind": AlertKind(row["kind"]), "state": AlertState(row["state"])})
