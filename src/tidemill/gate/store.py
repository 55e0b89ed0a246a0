"""The tables of the gate and their queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
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
    insert,
    select,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.gate.model import Approval, CheckResult, CheckState, Closing, Review, ReviewCheck, ReviewState
from tidemill.gate.policy import parse_policy

metadata = MetaData()

review_rows = Table(
    "review",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("model_version_id", String(36), nullable=False),
    Column("version_label", String(160), nullable=False),
    Column("package_digest", String(71), nullable=False),
    Column("environment", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("state", String(16), nullable=False),
    Column("policy", JSON, nullable=False),
    Column("policy_digest", String(71), nullable=False),
    Column("policy_source", String(200), nullable=False),
    Column("reason", Text),
    Column("decision", JSON),
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
            model_version_id=review.model_version_id,
            version_label=review.version_label,
            package_digest=review.package_digest,
            environment=review.environment,
            service=review.service,
            state=review.state.value,
            policy=review.policy.to_json(),
            policy_digest=review.policy_digest,
            policy_source=review.policy_source,
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


def review_by_id(connection: Connection, namespace_id: str, review_id: str, *, lock: bool = False) -> Review | None:
    """The review with its checks and approvals; `lock` holds its row until the transaction ends."""
    query = select(review_rows).where(review_rows.c.namespace_id == namespace_id, review_rows.c.id == review_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _reviews(connection, namespace_id, [row._mapping])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFilter:
    """Which reviews are wanted; each field narrows, `before` is the id of the last one seen."""

    states: tuple[ReviewState, ...] = ()
    environment: str | None = None
    service: str | None = None
    model_version_id: str | None = None
    before: str | None = None


def reviews_of(
    connection: Connection, namespace_id: str, wanted: ReviewFilter, *, limit: int | None = None
) -> list[Review]:
    """Reviews, newest first."""
    query = select(review_rows).where(review_rows.c.namespace_id == namespace_id)
    if wanted.states:
        query = query.where(review_rows.c.state.in_([state.value for state in wanted.states]))
    for column, value in (
        (review_rows.c.environment, wanted.environment),
        (review_rows.c.service, wanted.service),
        (review_rows.c.model_version_id, wanted.model_version_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.before is not None:
        query = query.where(review_rows.c.id < wanted.before)
    rows = connection.execute(query.order_by(review_rows.c.id.desc()).limit(limit)).all()
    return _reviews(connection, namespace_id, [row._mapping for row in rows])


def reviews_to_check(connection: Connection) -> list[tuple[str, str]]:
    """Namespace and id of every open review with a pending check, oldest first, over all namespaces."""
    rows = connection.execute(
        select(review_rows.c.namespace_id, review_rows.c.id)
        .join(check_rows, check_rows.c.review_id == review_rows.c.id)
        .where(review_rows.c.state == ReviewState.OPEN.value, check_rows.c.state == CheckState.PENDING.value)
        .distinct()
        .order_by(review_rows.c.id)
    )
    return [(row.namespace_id, row.id) for row in rows]


def finish_check(
    connection: Connection, namespace_id: str, review_id: str, name: str, result: CheckResult, now: datetime
) -> bool:
    """Record a result; False when the check was finished already."""
    changed = connection.execute(
        update(check_rows)
        .where(
            check_rows.c.namespace_id == namespace_id,
            check_rows.c.review_id == review_id,
            check_rows.c.name == name,
            check_rows.c.state == CheckState.PENDING.value,
        )
        .values(
            state=result.state.value,
            summary=result.summary,
            evidence=result.evidence,
            finished_at=now,
            generation=check_rows.c.generation + 1,
        )
    )
    return changed.rowcount == 1


def close_review(connection: Connection, review: Review, closing: Closing) -> bool:
    """Write a final state if nobody else changed the review meanwhile."""
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
        )
    )
    return changed.rowcount == 1


def decision_of(connection: Connection, namespace_id: str, review_id: str) -> Any:
    """The signed decision of a review, None while there is none."""
    return connection.execute(
        select(review_rows.c.decision).where(review_rows.c.namespace_id == namespace_id, review_rows.c.id == review_id)
    ).scalar_one_or_none()


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


def last_signed_move(
    connection: Connection, namespace_id: str, environment: str, service: str
) -> tuple[int, Any] | None:
    """Generation and envelope of the newest signed move of a pointer."""
    row = connection.execute(
        select(signed_move_rows.c.move_generation, signed_move_rows.c.envelope)
        .where(
            signed_move_rows.c.namespace_id == namespace_id,
            signed_move_rows.c.environment == environment,
            signed_move_rows.c.service == service,
        )
        .order_by(signed_move_rows.c.move_generation.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.move_generation, row.envelope)


def _reviews(connection: Connection, namespace_id: str, rows: list[RowMapping]) -> list[Review]:
    ids = [row["id"] for row in rows]
    checks: dict[str, list[ReviewCheck]] = {review_id: [] for review_id in ids}
    approvals: dict[str, list[Approval]] = {review_id: [] for review_id in ids}
    for row in connection.execute(
        select(check_rows)
        .where(check_rows.c.namespace_id == namespace_id, check_rows.c.review_id.in_(ids))
        .order_by(check_rows.c.name)
    ):
        checks[row.review_id].append(_check(row._mapping))
    for row in connection.execute(
        select(approval_rows)
        .where(approval_rows.c.namespace_id == namespace_id, approval_rows.c.review_id.in_(ids))
        .order_by(approval_rows.c.id)
    ):
        approvals[row.review_id].append(_approval(row._mapping))
    return [_review(row, tuple(checks[row["id"]]), tuple(approvals[row["id"]])) for row in rows]


def _check(row: RowMapping) -> ReviewCheck:
    return ReviewCheck(
        name=row["name"],
        state=CheckState(row["state"]),
        summary=row["summary"],
        evidence=row["evidence"],
        finished_at=row["finished_at"],
    )


def _approval(row: RowMapping) -> Approval:
    return Approval(**{name: row[name] for name in Approval.__slots__})


def _review(row: RowMapping, checks: tuple[ReviewCheck, ...], approvals: tuple[Approval, ...]) -> Review:
    return Review(
        id=row["id"],
        namespace_id=row["namespace_id"],
        model_version_id=row["model_version_id"],
        version_label=row["version_label"],
        package_digest=row["package_digest"],
        environment=row["environment"],
        service=row["service"],
        state=ReviewState(row["state"]),
        policy=parse_policy(row["policy"], place=f"review {row['id']}"),
        policy_digest=row["policy_digest"],
        checks=checks,
        approvals=approvals,
        reason=row["reason"],
        opened_by=row["created_by"],
        opened_at=row["created_at"],
        closed_by=row["closed_by"],
        closed_at=row["closed_at"],
        generation=row["generation"],
        policy_source=row["policy_source"],
    )
