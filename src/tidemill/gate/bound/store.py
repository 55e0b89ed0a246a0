"""The table of binding policies and its queries."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Column, Connection, Integer, MetaData, String, Table, delete, insert, select, update

from tidemill.base.database import UtcTime
from tidemill.gate.policy import BoundPolicy, parse_policy

metadata = MetaData()

bound_policy_rows = Table(
    "bound_policy",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("environment", String(63), primary_key=True),
    Column("service", String(63), primary_key=True),
    Column("policy", JSON, nullable=False),
    Column("policy_digest", String(71), nullable=False),
    Column("source", String(200), nullable=False),
    Column("project", String(63), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)


def bound_policies(connection: Connection, namespace_id: str, service: str) -> dict[str, BoundPolicy]:
    """The policies of a service by environment."""
    rows = connection.execute(
        select(bound_policy_rows)
        .where(bound_policy_rows.c.namespace_id == namespace_id, bound_policy_rows.c.service == service)
        .order_by(bound_policy_rows.c.environment)
    )
    return {
        row.environment: BoundPolicy(
            policy=parse_policy(row.policy, place=f"policy of {service} in {row.environment}"),
            source=row.source,
            project=row.project,
        )
        for row in rows
    }


def bind(connection: Connection, where: tuple[str, str, str], bound: BoundPolicy, *, by: str, now: datetime) -> None:
    """Write the policy of `where` (namespace, environment, service) in place of the one before."""
    table = bound_policy_rows
    namespace_id, environment, service = where
    values = {
        "policy": bound.policy.to_json(),
        "policy_digest": bound.policy.digest,
        "source": bound.source,
        "project": bound.project,
        "created_by": by,
        "created_at": now,
    }
    changed = connection.execute(
        update(table)
        .where(table.c.namespace_id == namespace_id, table.c.environment == environment, table.c.service == service)
        .values(generation=table.c.generation + 1, **values)
    )
    if changed.rowcount == 0:
        connection.execute(
            insert(table).values(
                namespace_id=namespace_id, environment=environment, service=service, generation=1, **values
            )
        )


def release(connection: Connection, where: tuple[str, str, str]) -> None:
    """Remove the policy of `where`."""
    table = bound_policy_rows
    namespace_id, environment, service = where
    connection.execute(
        delete(table).where(
            table.c.namespace_id == namespace_id, table.c.environment == environment, table.c.service == service
        )
    )
