"""The audit chain: every decision and every refusal, each line covering the one before, the head signed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
    update,
)

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.canonical import digest_json
from tidemill.base.database import UtcTime
from tidemill.base.errors import Conflict
from tidemill.base.site import Site
from tidemill.gate.model import AuditEntry
from tidemill.gate.signing import PublicKey, SigningKey, public_key, sign, statement, verified_statement

metadata = MetaData()

GENESIS = "sha256:" + "0" * 64

audit_rows = Table(
    "audit",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("subject_id", String(64), nullable=False),
    Column("data", JSON, nullable=False),
    Column("previous_digest", String(71), nullable=False),
    Column("digest", String(71), nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

head_rows = Table(
    "audit_head",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("digest", String(71), nullable=False),
    Column("envelope", JSON, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)


def append_audit(
    connection: Connection,
    site: Site,
    key: SigningKey,
    actor: Actor,
    *,
    kind: str,
    subject_id: str,
    data: dict[str, Any],
) -> AuditEntry:
    """Add a line in the caller's transaction, so that a decision without its line cannot be."""
    namespace_id, now = actor.namespace_id, site.clock.now()
    head = connection.execute(
        select(head_rows).where(head_rows.c.namespace_id == namespace_id).with_for_update()
    ).one_or_none()
    number = 1 if head is None else head.number + 1
    previous = GENESIS if head is None else head.digest
    content = {"schema_version": 1, **data}
    entry = AuditEntry(
        number=number,
        kind=kind,
        subject_id=subject_id,
        data=content,
        person=actor.person,
        at=now,
        previous_digest=previous,
        digest="",
    )
    digest = _digest(namespace_id, entry)
    connection.execute(
        insert(audit_rows).values(
            namespace_id=namespace_id,
            number=number,
            kind=kind,
            subject_id=subject_id,
            data=content,
            previous_digest=previous,
            digest=digest,
            created_by=actor.person,
            created_at=now,
        )
    )
    envelope = sign(key, _head_statement(namespace_id, number, digest))
    values = {"number": number, "digest": digest, "envelope": envelope, "generation": number}
    if head is None:
        made = {"created_by": actor.person, "created_at": now}
        connection.execute(insert(head_rows).values(namespace_id=namespace_id, **values, **made))
    else:
        connection.execute(update(head_rows).where(head_rows.c.namespace_id == namespace_id).values(**values))
    return AuditEntry(**{**{name: getattr(entry, name) for name in AuditEntry.__slots__}, "digest": digest})


def read_audit(site: Site, actor: Actor, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
    """Lines of the chain after a number, oldest first."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        return _entries(connection, actor.namespace_id, after, limit)


def verify_audit(site: Site, actor: Actor) -> int:
    """Recompute the whole chain and check its signed head; the number of lines.

    Raises `Conflict` at the first line that was changed, removed, added or moved.
    """
    actor.demand(Permission.READ)
    namespace_id = actor.namespace_id
    with site.database.read() as connection:
        entries = _entries(connection, namespace_id, 0, None)
        head = connection.execute(select(head_rows).where(head_rows.c.namespace_id == namespace_id)).one_or_none()
    if head is None:
        if entries:
            raise _broken(1, "the chain has no head")
        return 0
    previous = GENESIS
    for number, entry in enumerate(entries, start=1):
        if entry.number != number:
            raise _broken(number, "a line is missing")
        if entry.previous_digest != previous or entry.digest != _digest(namespace_id, entry):
            raise _broken(number, "a line was changed")
        previous = entry.digest
    if (head.number, head.digest) != (len(entries), previous):
        raise _broken(len(entries) + 1, "lines at the end are missing or were added")
    _check_head(public_key(site.home), namespace_id, head.number, head.digest, head.envelope)
    return len(entries)


def _check_head(key: PublicKey, namespace_id: str, number: int, digest: str, envelope: Any) -> None:
    place = f"audit head {number}"
    if verified_statement(key, envelope, place=place) != _head_statement(namespace_id, number, digest):
        raise _broken(number, "the signed head is another one")


def _head_statement(namespace_id: str, number: int, digest: str) -> dict[str, Any]:
    predicate = {"namespace_id": namespace_id, "number": number}
    return statement(subject="audit", digest=digest, kind="audit-head", predicate=predicate)


def _digest(namespace_id: str, entry: AuditEntry) -> str:
    return digest_json(
        {
            "namespace_id": namespace_id,
            "number": entry.number,
            "kind": entry.kind,
            "subject_id": entry.subject_id,
            "data": entry.data,
            "person": entry.person,
            "at": entry.at.isoformat(),
            "previous": entry.previous_digest,
        }
    )


def _entries(connection: Connection, namespace_id: str, after: int, limit: int | None) -> list[AuditEntry]:
    rows = connection.execute(
        select(audit_rows)
        .where(audit_rows.c.namespace_id == namespace_id, audit_rows.c.number > after)
        .order_by(audit_rows.c.number)
        .limit(limit)
    )
    return [
        AuditEntry(
            number=row.number,
            kind=row.kind,
            subject_id=row.subject_id,
            data=row.data,
            person=row.created_by,
            at=row.created_at,
            previous_digest=row.previous_digest,
            digest=row.digest,
        )
        for row in rows
    ]


def _broken(number: int, why: str) -> Conflict:
    return Conflict(
        f"the audit chain is broken at line {number}: {why}",
        place=f"audit line {number}",
        remedy="compare it with a backup or with the evidence packs",
    )
