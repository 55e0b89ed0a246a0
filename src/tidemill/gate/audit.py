"""The audit chain: every decision and every refusal, each line covering the one before, the head signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, insert, select, update

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.canonical import digest_json
from tidemill.base.errors import Conflict
from tidemill.base.signing import PublicKey, SigningKey, public_key, sign, statement, verified_statement
from tidemill.base.site import Site
from tidemill.gate.model import AuditEntry, Happening
from tidemill.gate.store import audit_rows, head_rows

GENESIS = "sha256:" + "0" * 64
POINTER_MOVED = "pointer.moved"
POINTER_TAMPERED = "pointer.tampered"
PIPELINE_APPROVED = "pipeline.approved"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the head of the chain says besides its number: where each live pointer stands, which review's pipeline
    version is the approved one.

    Generations of pointers by `environment/service`, ids of reviews by `project/environment`.
    """

    pointers: Mapping[str, int] = field(default_factory=dict)
    pipelines: Mapping[str, str] = field(default_factory=dict)


def append_audit(connection: Connection, site: Site, key: SigningKey, actor: Actor, happening: Happening) -> AuditEntry:
    """Add a line in the caller's transaction, so that a decision without its line cannot be."""
    namespace_id = actor.namespace_id
    head = connection.execute(
        select(head_rows).where(head_rows.c.namespace_id == namespace_id).with_for_update()
    ).one_or_none()
    standing = Standing() if head is None else _signed_standing(key.public, namespace_id, head)
    open_entry = AuditEntry(
        number=1 if head is None else head.number + 1,
        kind=happening.kind,
        subject_id=happening.subject_id,
        data={"schema_version": 1, **happening.data},
        person=actor.person,
        at=site.clock.now(),
        previous_digest=GENESIS if head is None else head.digest,
        digest="",
    )
    entry = replace(open_entry, digest=_digest(namespace_id, open_entry))
    made = {"created_by": entry.person, "created_at": entry.at}
    connection.execute(
        insert(audit_rows).values(
            namespace_id=namespace_id,
            number=entry.number,
            kind=entry.kind,
            subject_id=entry.subject_id,
            data=entry.data,
            previous_digest=entry.previous_digest,
            digest=entry.digest,
            **made,
        )
    )
    signed = sign(key, _head_statement(namespace_id, entry.number, entry.digest, _after(standing, entry)))
    values = {"number": entry.number, "digest": entry.digest, "envelope": signed, "generation": entry.number}
    if head is None:
        connection.execute(insert(head_rows).values(namespace_id=namespace_id, **values, **made))
    else:
        connection.execute(update(head_rows).where(head_rows.c.namespace_id == namespace_id).values(**values))
    return entry


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
    standing = Standing()
    for number, entry in enumerate(entries, start=1):
        if entry.number != number:
            raise _broken(number, "a line is missing")
        if entry.previous_digest != previous or entry.digest != _digest(namespace_id, entry):
            raise _broken(number, "a line was changed")
        previous = entry.digest
        standing = _after(standing, entry)
    if (head.number, head.digest) != (len(entries), previous):
        raise _broken(len(entries) + 1, "lines at the end are missing or were added")
    if _signed_standing(public_key(site.home), namespace_id, head) != standing:
        raise _broken(head.number, "the signed head tells of other moves")
    return len(entries)


def signed_generation(
    connection: Connection, key: PublicKey, namespace_id: str, environment: str, service: str
) -> int | None:
    """The generation of a live pointer by the signed head of the chain; None when the gate never moved it.

    Whoever sets the pointer back, and removes the rows of the later moves, cannot sign a head that says so.
    """
    return _standing_in(connection, key, namespace_id).pointers.get(f"{environment}/{service}")


def signed_pipeline(
    connection: Connection, key: PublicKey, namespace_id: str, project: str, environment: str
) -> str | None:
    """The review whose pipeline version is the approved one, by the signed head of the chain; None when there is none.

    Whoever removes the rows of that review does not bring an earlier one back.
    """
    return _standing_in(connection, key, namespace_id).pipelines.get(f"{project}/{environment}")


def _standing_in(connection: Connection, key: PublicKey, namespace_id: str) -> Standing:
    head = connection.execute(select(head_rows).where(head_rows.c.namespace_id == namespace_id)).one_or_none()
    return Standing() if head is None else _signed_standing(key, namespace_id, head)


def _signed_standing(key: PublicKey, namespace_id: str, head: Any) -> Standing:
    """What the signed head says, which must be this head."""
    found = verified_statement(key, head.envelope, place=f"audit head {head.number}")
    said = found.get("predicate", {})
    standing = Standing(dict(said.get("pointers", {})), dict(said.get("pipelines", {})))
    if found != _head_statement(namespace_id, head.number, head.digest, standing):
        raise _broken(head.number, "the signed head is another one")
    return standing


def _after(standing: Standing, entry: AuditEntry) -> Standing:
    data = entry.data
    if entry.kind == POINTER_MOVED:
        moved = {f"{data['environment']}/{data['service']}": data["generation"]}
        return replace(standing, pointers={**standing.pointers, **moved})
    if entry.kind == PIPELINE_APPROVED:
        approved = {f"{data['project']}/{data['environment']}": entry.subject_id}
        return replace(standing, pipelines={**standing.pipelines, **approved})
    return standing


def _head_statement(namespace_id: str, number: int, digest: str, standing: Standing) -> dict[str, Any]:
    predicate = {
        "namespace_id": namespace_id,
        "number": number,
        "pointers": dict(standing.pointers),
        "pipelines": dict(standing.pipelines),
    }
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
