"""How far the mirror has come in the events of the site."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select, update

from tidemill.base.database import UtcTime
from tidemill.base.leases import SITE_WIDE

metadata = MetaData()

mirror_rows = Table(
    "mirror",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("event_number", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)


def mirrored_number(connection: Connection, name: str) -> int:
    """The number of the last event that a mirror has seen, 0 for none."""
    query = select(mirror_rows.c.event_number).where(mirror_rows.c.name == name)
    return int(connection.execute(query).scalar_one_or_none() or 0)


def set_mirrored(connection: Connection, name: str, number: int, now: datetime) -> None:
    """Note how far a mirror has come."""
    changed = connection.execute(update(mirror_rows).where(mirror_rows.c.name == name).values(event_number=number))
    if changed.rowcount == 0:
        values = {"name": name, "namespace_id": SITE_WIDE, "event_number": number, "created_by": name}
        connection.execute(insert(mirror_rows).values(**values, created_at=now))
