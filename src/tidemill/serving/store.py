"""The tables of serving and their queries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
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
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.serving.model import Reason, Revision, RevisionState, Service, spec_from_json

metadata = MetaData()

service_rows = Table(
    "service",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("namespace", String(63), nullable=False),
    Column("name", String(63), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("observed_generation", Integer, nullable=False),
    Column("ready", Boolean, nullable=False),
    Column("reason", String(40), nullable=False),
    Column("message", Text, nullable=False),
    Column("deleting", Boolean, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    UniqueConstraint("namespace_id", "name", name="service_name"),
)

revision_rows = Table(
    "revision",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("service_id", String(36), nullable=False),
    Column("number", Integer, nullable=False),
    Column("model_version_id", String(36), nullable=False),
    Column("model_label", String(300), nullable=False),
    Column("state", String(20), nullable=False),
    Column("message", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    UniqueConstraint("service_id", "number", name="revision_number"),
    UniqueConstraint("service_id", "model_version_id", name="revision_version"),
    Index("revision_namespace", "namespace_id"),
)


def service_by_name(connection: Connection, namespace_id: str, name: str) -> Service | None:
    """The service of that name."""
    row = connection.execute(
        select(service_rows).where(service_rows.c.namespace_id == namespace_id, service_rows.c.name == name)
    ).one_or_none()
    return None if row is None else _service(row._mapping)


def services_of(connection: Connection, namespace_id: str, *, after: str, limit: int) -> list[Service]:
    """Services by name, at most `limit`, those after the name `after`."""
    rows = connection.execute(
        select(service_rows)
        .where(service_rows.c.namespace_id == namespace_id, service_rows.c.name > after)
        .order_by(service_rows.c.name)
        .limit(limit)
    )
    return [_service(row._mapping) for row in rows]


def namespaces_with_services(connection: Connection) -> list[str]:
    """The namespaces that have a service; the reconciler works through them one by one."""
    return list(connection.execute(select(service_rows.c.namespace_id).distinct()).scalars())


def insert_service(connection: Connection, service: Service) -> None:
    """Add a service."""
    connection.execute(
        insert(service_rows).values(
            id=service.id,
            namespace_id=service.namespace_id,
            namespace=service.namespace,
            name=service.name,
            spec=service.spec.to_json(),
            generation=service.generation,
            observed_generation=service.observed_generation,
            ready=service.ready,
            reason=service.reason.value,
            message=service.message,
            deleting=service.deleting,
            created_by=service.created_by,
            created_at=service.created_at,
            updated_at=service.updated_at,
        )
    )


def update_spec(connection: Connection, service: Service) -> bool:
    """Write spec, `deleting` and the next generation; False when somebody else was first."""
    changed = connection.execute(
        update(service_rows)
        .where(
            service_rows.c.namespace_id == service.namespace_id,
            service_rows.c.id == service.id,
            service_rows.c.generation == service.generation - 1,
        )
        .values(
            spec=service.spec.to_json(),
            deleting=service.deleting,
            generation=service.generation,
            updated_at=service.updated_at,
        )
    )
    return changed.rowcount == 1


def observe(connection: Connection, service: Service, *, ready: bool, reason: Reason, message: str) -> None:
    """Write what the reconciler saw of the generation that it worked on."""
    connection.execute(
        update(service_rows)
        .where(service_rows.c.namespace_id == service.namespace_id, service_rows.c.id == service.id)
        .values(ready=ready, reason=reason.value, message=message, observed_generation=service.generation)
    )


def delete_service_row(connection: Connection, namespace_id: str, service_id: str) -> None:
    """Remove a service; its revisions stay, since predictions name them."""
    connection.execute(
        delete(service_rows).where(service_rows.c.namespace_id == namespace_id, service_rows.c.id == service_id)
    )


def revisions_of(connection: Connection, namespace_id: str, service_id: str) -> list[Revision]:
    """The revisions of a service, newest first."""
    rows = connection.execute(
        select(revision_rows)
        .where(revision_rows.c.namespace_id == namespace_id, revision_rows.c.service_id == service_id)
        .order_by(revision_rows.c.number.desc())
    )
    return [_revision(row._mapping) for row in rows]


def revision_by_id(connection: Connection, namespace_id: str, revision_id: str) -> Revision | None:
    """The revision of that id."""
    row = connection.execute(
        select(revision_rows).where(revision_rows.c.namespace_id == namespace_id, revision_rows.c.id == revision_id)
    ).one_or_none()
    return None if row is None else _revision(row._mapping)


def revisions_in(connection: Connection, namespace_id: str, states: Iterable[RevisionState]) -> list[Revision]:
    """The revisions of a namespace in one of these states."""
    rows = connection.execute(
        select(revision_rows).where(
            revision_rows.c.namespace_id == namespace_id,
            revision_rows.c.state.in_([state.value for state in states]),
        )
    )
    return [_revision(row._mapping) for row in rows]


def next_number(connection: Connection, namespace_id: str, service_id: str) -> int:
    """The number of the next revision of a service."""
    highest = connection.execute(
        select(func.max(revision_rows.c.number)).where(
            revision_rows.c.namespace_id == namespace_id, revision_rows.c.service_id == service_id
        )
    ).scalar_one()
    return int(highest or 0) + 1


def insert_revision(connection: Connection, revision: Revision) -> None:
    """Add a revision."""
    connection.execute(
        insert(revision_rows).values(
            id=revision.id,
            namespace_id=revision.namespace_id,
            service_id=revision.service_id,
            number=revision.number,
            model_version_id=revision.model_version_id,
            model_label=revision.model_label,
            state=revision.state.value,
            message=revision.message,
            generation=revision.generation,
            created_by=revision.created_by,
            created_at=revision.created_at,
            changed_at=revision.changed_at,
        )
    )


def set_state(connection: Connection, revision: Revision, state: RevisionState, message: str, now: datetime) -> bool:
    """Write a revision's next state; False when it changed meanwhile."""
    changed = connection.execute(
        update(revision_rows)
        .where(
            revision_rows.c.namespace_id == revision.namespace_id,
            revision_rows.c.id == revision.id,
            revision_rows.c.generation == revision.generation,
        )
        .values(state=state.value, message=message, changed_at=now, generation=revision.generation + 1)
    )
    return changed.rowcount == 1


def _service(row: RowMapping) -> Service:
    spec: dict[str, Any] = row["spec"]
    return Service(
        id=row["id"],
        namespace_id=row["namespace_id"],
        namespace=row["namespace"],
        spec=spec_from_json(spec),
        generation=row["generation"],
        observed_generation=row["observed_generation"],
        ready=row["ready"],
        reason=Reason(row["reason"]),
        message=row["message"],
        deleting=row["deleting"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _revision(row: RowMapping) -> Revision:
    return Revision(
        id=row["id"],
        namespace_id=row["namespace_id"],
        service_id=row["service_id"],
        number=row["number"],
        model_version_id=row["model_version_id"],
        model_label=row["model_label"],
        state=RevisionState(row["state"]),
        message=row["message"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        generation=row["generation"],
    )
