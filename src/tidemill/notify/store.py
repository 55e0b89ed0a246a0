"""The table of targets and its queries."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    and_,
    delete,
    insert,
    select,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.notify.model import Address, Subject, Target

metadata = MetaData()
SITE_WIDE = ""
"""The project of targets that the site's settings name."""

target_rows = Table(
    "notify_target",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("project", String(63), primary_key=True),
    Column("address_digest", String(32), primary_key=True),
    Column("notifier", String(50), nullable=False),
    Column("address", Text, nullable=False),
    Column("service", String(63), nullable=False),
    Column("subjects", JSON, nullable=False),
    Column("told_until", Integer, nullable=False),
    Column("minute_began", UtcTime, nullable=False),
    Column("sent", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
_of = target_rows.c


def every_target(connection: Connection) -> list[Target]:
    """The targets of all namespaces: for who tells people."""
    query = select(target_rows).order_by(_of.namespace_id, _of.project, _of.address_digest)
    return [_target(row._mapping) for row in connection.execute(query)]


def targets_of(connection: Connection, namespace_id: str, project: str | None = None) -> list[Target]:
    """The targets of a namespace, or of one project in it."""
    query = select(target_rows).where(_of.namespace_id == namespace_id)
    if project is not None:
        query = query.where(_of.project == project)
    return [_target(row._mapping) for row in connection.execute(query.order_by(_of.project, _of.address_digest))]


def insert_target(connection: Connection, target: Target) -> None:
    """Add a target."""
    connection.execute(
        insert(target_rows).values(
            namespace_id=target.namespace_id,
            project=target.project,
            address_digest=target.address.digest,
            notifier=target.address.notifier,
            address=target.address.text,
            service=target.service,
            subjects=[each.value for each in target.subjects],
            told_until=target.told_until,
            minute_began=target.minute_began,
            sent=target.sent,
            created_by=target.created_by,
            created_at=target.created_at,
        )
    )


def update_target(connection: Connection, target: Target, **values: Any) -> bool:
    """Write some columns of a target that nobody moved on meanwhile; False when somebody did, or it is gone."""
    changed = connection.execute(
        update(target_rows).where(_is(target), _of.told_until == target.told_until).values(**values)
    )
    return changed.rowcount == 1


def delete_target(connection: Connection, target: Target) -> None:
    """Take a target out."""
    connection.execute(delete(target_rows).where(_is(target)))


def _is(target: Target) -> ColumnElement[bool]:
    return and_(
        _of.namespace_id == target.namespace_id,
        _of.project == target.project,
        _of.address_digest == target.address.digest,
    )


def _target(row: RowMapping) -> Target:
    return Target(
        namespace_id=row["namespace_id"],
        project=row["project"],
        service=row["service"],
        address=Address(notifier=row["notifier"], text=row["address"]),
        subjects=tuple(Subject(each) for each in row["subjects"]),
        told_until=row["told_until"],
        minute_began=row["minute_began"],
        sent=row["sent"],
        created_by=row["created_by"],
        created_at=row["created_at"],
    )
