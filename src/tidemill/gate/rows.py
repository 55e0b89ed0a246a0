"""Nouns of the gate from rows, and the queries that find them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from tidemill.gate.model import (
    Approval,
    CheckState,
    Review,
    ReviewCheck,
    ReviewState,
    Subject,
    read_automatic,
    read_pipeline_version,
)
from tidemill.gate.policy import parse_policy
from tidemill.gate.store import approval_rows, check_rows, review_rows, signed_move_rows


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
    subject: Subject | None = None
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
        (review_rows.c.subject, wanted.subject),
        (review_rows.c.model_version_id, wanted.model_version_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.before is not None:
        query = query.where(review_rows.c.id < wanted.before)
    rows = connection.execute(query.order_by(review_rows.c.id.desc()).limit(limit)).all()
    return _reviews(connection, namespace_id, [row._mapping for row in rows])


def reviews_to_check(connection: Connection) -> list[tuple[str, str]]:
    """Namespace and id of every open review with a pending check, or that the site has not judged yet, oldest first.

    Over all namespaces.
    """
    rows = connection.execute(
        select(review_rows.c.namespace_id, review_rows.c.id)
        .join(check_rows, check_rows.c.review_id == review_rows.c.id)
        .where(
            review_rows.c.state == ReviewState.OPEN.value,
            (check_rows.c.state == CheckState.PENDING.value) | review_rows.c.awaits_site,
        )
        .distinct()
        .order_by(review_rows.c.id)
    )
    return [(row.namespace_id, row.id) for row in rows]


def decision_of(connection: Connection, namespace_id: str, review_id: str) -> Any:
    """The signed decision of a review, None while there is none."""
    return connection.execute(
        select(review_rows.c.decision).where(review_rows.c.namespace_id == namespace_id, review_rows.c.id == review_id)
    ).scalar_one_or_none()


def signed_move_of(connection: Connection, namespace_id: str, key: tuple[str, str, int]) -> Any | None:
    """The envelope of one move; `key` is environment, service and the pointer's generation."""
    environment, service, generation = key
    return connection.execute(
        select(signed_move_rows.c.envelope).where(
            signed_move_rows.c.namespace_id == namespace_id,
            signed_move_rows.c.environment == environment,
            signed_move_rows.c.service == service,
            signed_move_rows.c.move_generation == generation,
        )
    ).scalar_one_or_none()


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
        seal=row["seal"],
    )


def _approval(row: RowMapping) -> Approval:
    return Approval(**{name: row[name] for name in Approval.__slots__})


def _review(row: RowMapping, checks: tuple[ReviewCheck, ...], approvals: tuple[Approval, ...]) -> Review:
    return Review(
        id=row["id"],
        namespace_id=row["namespace_id"],
        subject=Subject(row["subject"]),
        model_version_id=row["model_version_id"],
        version_label=row["version_label"],
        package_digest=row["package_digest"],
        pipeline=read_pipeline_version(row["pipeline"]),
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
        automatic=read_automatic(row["automatic"]),
    )
