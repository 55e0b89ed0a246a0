"""Leases with fencing tokens: one holder at a time, and a holder that slept too long is told so by every write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select, update

from tidemill.base.database import UtcTime
from tidemill.base.errors import Conflict
from tidemill.base.site import Site

metadata = MetaData()

lease_rows = Table(
    "lease",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("holder", String(128), nullable=False),
    Column("fencing_token", Integer, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

SITE_WIDE = "site"
"""What stands in `namespace_id` of a lease that belongs to no namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to act under a name until `expires_at`; `fencing_token` rises with each new holder."""

    name: str
    holder: str
    fencing_token: int
    expires_at: datetime


class LeaseLost(Conflict):
    """A newer holder has the lease: what the former one writes is refused."""


def take_lease(site: Site, *, name: str, holder: str, lasts: timedelta) -> Lease | None:
    """Take or extend a lease; None while somebody else holds it.

    One that would last twice as long as any was taken when the clock was ahead, and is as good as expired.
    """
    now = site.clock.now()
    expires_at = now + lasts
    with site.database.write() as connection:
        row = connection.execute(select(lease_rows).where(lease_rows.c.name == name)).one_or_none()
        if row is None:
            token = 1
            connection.execute(
                insert(lease_rows).values(
                    name=name,
                    namespace_id=SITE_WIDE,
                    holder=holder,
                    fencing_token=token,
                    expires_at=expires_at,
                    created_by=holder,
                    created_at=now,
                )
            )
        elif row.holder == holder and row.expires_at > now:
            token = row.fencing_token
            connection.execute(update(lease_rows).where(lease_rows.c.name == name).values(expires_at=expires_at))
        elif not now < row.expires_at <= now + 2 * lasts:
            token = row.fencing_token + 1
            changed = connection.execute(
                update(lease_rows)
                .where(lease_rows.c.name == name, lease_rows.c.fencing_token == row.fencing_token)
                .values(holder=holder, fencing_token=token, expires_at=expires_at)
            )
            if changed.rowcount != 1:
                return None
        else:
            return None
    return Lease(name=name, holder=holder, fencing_token=token, expires_at=expires_at)


def demand_lease(connection: Connection, lease: Lease) -> None:
    """Raise `LeaseLost` in the caller's transaction when a newer holder has taken the lease; nobody takes it before the
    transaction ends."""
    current = connection.execute(
        select(lease_rows.c.fencing_token).where(lease_rows.c.name == lease.name).with_for_update(read=True)
    ).scalar_one_or_none()
    if current != lease.fencing_token:
        raise LeaseLost(f"{lease.holder} lost the lease {lease.name!r}: its writes are refused")


def fenced(site: Site, lease: Lease) -> Site:
    """The site as the holder of a lease has it: every transaction that writes demands the lease first.

    So for a short effect outside the database such a transaction is a guard: while it is open nobody takes the lease.
    """
    return replace(site, database=site.database.demanding(lambda connection: demand_lease(connection, lease)))


def release_lease(site: Site, lease: Lease) -> None:
    """Give a lease back at once, unless somebody else has it by now."""
    with site.database.write() as connection:
        connection.execute(
            update(lease_rows)
            .where(lease_rows.c.name == lease.name, lease_rows.c.fencing_token == lease.fencing_token)
            .values(expires_at=site.clock.now())
        )
