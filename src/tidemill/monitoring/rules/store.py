"""The table of rules, one row for each service that has its own."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Column, Connection, MetaData, String, Table, delete, insert, select

from tidemill.base.database import UtcTime
from tidemill.monitoring.rules.model import Rules, rules_from_json

metadata = MetaData()

rule_rows = Table(
    "monitor_rules",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("service", String(63), primary_key=True),
    Column("rules", JSON, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)


def rules_for(connection: Connection, namespace_id: str, service: str) -> Rules | None:
    """The rules of a service, None when nobody wrote any."""
    query = select(rule_rows.c.rules).where(rule_rows.c.namespace_id == namespace_id, rule_rows.c.service == service)
    stored = connection.execute(query).scalar_one_or_none()
    return None if stored is None else rules_from_json(stored)


def put_rules(
    connection: Connection, namespace_id: str, service: str, rules: Rules | None, author: tuple[str, datetime]
) -> None:
    """Write the rules of a service over those that were there; None takes them away."""
    connection.execute(
        delete(rule_rows).where(rule_rows.c.namespace_id == namespace_id, rule_rows.c.service == service)
    )
    if rules is not None:
        person, now = author
        connection.execute(
            insert(rule_rows).values(
                namespace_id=namespace_id, service=service, rules=rules.to_json(), created_by=person, created_at=now
            )
        )
