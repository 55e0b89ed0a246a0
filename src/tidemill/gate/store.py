"""The tables of the gate and their queries."""

from __future__ import annotations

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
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.gate.model import Approval, Automatic, CheckState, Closing, Review, ReviewCheck, ReviewState, Subject

metadata = MetaData()

review_rows = Table(
    "review",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("subject", String(16), nullable=False),
    Column("model_version_id", String(36)),
    Column("version_label", String(160), nullable=False),
    Column("package_digest", String(71), nullable=False),
    Column("pipeline", JSON(none_as_null=True)),
    Column("environment", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("state", String(16), nullable=False),
    Column("policy", JSON, nullable=False),
    Column("policy_digest", String(71), nullable=False),
    Column("policy_source", String(200), nullable=False),
    Column("reason", Text),
    Column("decision", JSON),
    Column("automatic", JSON(none_as_null=True)),
    Column("awaits_site", Boolean, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("closed_by", String(128)),
    Column("closed_at", UtcTime),
    Column("generation", Integer, nullable=False),
    Index("review_service", "namespace_id", "environment", "service", "state"),
    Index("review_version", "namespace_id", "model_version_id"),
)

check_rows = Table(
    "review_check",
    metadata,
    Column("review_id", String(36), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("state", String(16), nullable=False),
    Column("summary", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("finished_at", UtcTime),
    Column("seal", Text),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("generation", Integer, nullable=False),
)

approval_rows = Table(
    "approval",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("review_id", String(36), nullable=False),
    Column("approver", String(128), nullable=False),
    Column("approver_key", String(512), nullable=False),
    Column("package_digest", String(71), nullable=False),
    Column("checks_digest", String(71), nullable=False),
    Column("policy_digest", String(71), nullable=False),
    Column("envelope", JSON, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("review_id", "approver_key", name="approval_once"),
)

signed_move_rows = Table(
    "signed_pointer_move",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("environment", String(63), primary_key=True),
    Column("service", String(63), primary_key=True),
    Column("move_generation", Integer, primary_key=True),
    Column("envelope", JSON, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)


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


def insert_review(connection: Connection, review: Review) -> None:
    """Add an open review with its pending checks."""
    made = {"created_by": review.opened_by, "created_at": review.opened_at}
    connection.execute(
        insert(review_rows).values(
            id=review.id,
            namespace_id=review.namespace_id,
            subject=review.subject.value,
            model_version_id=review.model_version_id,
            version_label=review.version_label,
            package_digest=review.package_digest,
            pipeline=None if review.pipeline is None else review.pipeline.to_json(),
            environment=review.environment,
            service=review.service,
            state=review.state.value,
            policy=review.policy.to_json(),
            policy_digest=review.policy_digest,
            policy_source=review.policy_source,
            awaits_site=review.policy.automatic and review.subject is Subject.MODEL,
            generation=review.generation,
            **made,
        )
    )
    for check in review.checks:
        connection.execute(
            insert(check_rows).values(
                review_id=review.id,
                namespace_id=review.namespace_id,
                name=check.name,
                state=check.state.value,
                summary=check.summary,
                evidence=check.evidence,
                finished_at=check.finished_at,
                generation=1,
                **made,
            )
        )


def finish_check(connection: Connection, review: Review, found: ReviewCheck) -> bool:
    """Record a result; False when the check was finished already."""
    changed = connection.execute(
        update(check_rows)
        .where(
            check_rows.c.namespace_id == review.namespace_id,
            check_rows.c.review_id == review.id,
            check_rows.c.name == found.name,
            check_rows.c.state == CheckState.PENDING.value,
        )
        .values(
            state=found.state.value,
            summary=found.summary,
            evidence=found.evidence,
            finished_at=found.finished_at,
            seal=found.seal,
            generation=check_rows.c.generation + 1,
        )
    )
    return changed.rowcount == 1


def close_review(connection: Connection, review: Review, closing: Closing) -> bool:
    """Write a final state if nobody else changed the review meanwhile."""
    said = {} if closing.automatic is None else {"automatic": closing.automatic.to_json(), "awaits_site": False}
    changed = connection.execute(
        update(review_rows)
        .where(
            review_rows.c.namespace_id == review.namespace_id,
            review_rows.c.id == review.id,
            review_rows.c.generation == review.generation,
            review_rows.c.state == review.state.value,
        )
        .values(
            state=closing.state.value,
            reason=closing.reason,
            decision=closing.decision,
            closed_by=closing.by,
            closed_at=closing.at,
            generation=review.generation + 1,
            **said,
        )
    )
    return changed.rowcount == 1


def leave_to_people(connection: Connection, review: Review, said: Automatic) -> bool:
    """Write why the site does not decide, if nobody else changed the review meanwhile."""
    changed = connection.execute(
        update(review_rows)
        .where(
            review_rows.c.namespace_id == review.namespace_id,
            review_rows.c.id == review.id,
            review_rows.c.generation == review.generation,
            review_rows.c.state == ReviewState.OPEN.value,
        )
        .values(automatic=said.to_json(), awaits_site=False, generation=review.generation + 1)
    )
    return changed.rowcount == 1


def insert_approval(connection: Connection, namespace_id: str, approval: Approval, approver_key: str) -> None:
    """Add an approval; `approver_key` is the person's name as it is compared."""
    connection.execute(
        insert(approval_rows).values(
            id=approval.id,
            namespace_id=namespace_id,
            review_id=approval.review_id,
            approver=approval.approver,
            approver_key=approver_key,
            package_digest=approval.package_digest,
            checks_digest=approval.checks_digest,
            policy_digest=approval.policy_digest,
            envelope=approval.envelope,
            created_by=approval.approver,
            created_at=approval.created_at,
        )
    )


def insert_signed_move(
    connection: Connection,
    namespace_id: str,
    key: tuple[str, str, int],
    envelope: dict[str, Any],
    *,
    by: str,
    now: datetime,
) -> None:
    """Keep the signature of a pointer move; `key` is environment, service and the pointer's generation."""
    environment, service, generation = key
    connection.execute(
        insert(signed_move_rows).values(
            namespace_id=namespace_id,
            environment=environment,
            service=service,
            move_generation=generation,
            envelope=envelope,
            created_by=by,
            created_at=now,
        )
    )
