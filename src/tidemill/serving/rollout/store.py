"""The table of rollouts and its queries."""

from __future__ import annotations

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
    insert,
    select,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.serving.rollout.model import ACTIVE, Rollout, RolloutState, Watched, watched_from_json
from tidemill.serving.rollout.plan import plan_from_json

metadata = MetaData()

rollout_rows = Table(
    "rollout",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("service_id", String(36), nullable=False),
    Column("pointer_generation", Integer, nullable=False),
    Column("model_version_id", String(36), nullable=False),
    Column("revision_id", String(36), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("from_version_id", String(36), nullable=False),
    Column("from_revision_id", String(36), nullable=False),
    Column("from_revision", Integer, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("percent", Integer, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("watched", JSON, nullable=False),
    Column("held_since", UtcTime),
    Column("envelope", JSON, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_by", String(128), nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    UniqueConstraint("service_id", "pointer_generation", name="rollout_pointer"),
    Index("rollout_namespace", "namespace_id"),
)


def insert_rollout(connection: Connection, rollout: Rollout, envelope: dict[str, Any]) -> None:
    """Add a rollout with its signature."""
    connection.execute(
        insert(rollout_rows).values(
            **_changing(rollout),
            id=rollout.id,
            namespace_id=rollout.namespace_id,
            service_id=rollout.service_id,
            pointer_generation=rollout.pointer_generation,
            model_version_id=rollout.model_version_id,
            revision_id=rollout.revision_id,
            revision=rollout.revision,
            from_version_id=rollout.from_version_id,
            from_revision_id=rollout.from_revision_id,
            from_revision=rollout.from_revision,
            plan=rollout.plan.to_json(),
            envelope=envelope,
            created_by=rollout.created_by,
            created_at=rollout.created_at,
        )
    )


def update_rollout(connection: Connection, rollout: Rollout, envelope: dict[str, Any]) -> bool:
    """Write what changes, with its signature; False when somebody else was first."""
    changed = connection.execute(
        update(rollout_rows)
        .where(
            rollout_rows.c.namespace_id == rollout.namespace_id,
            rollout_rows.c.id == rollout.id,
            rollout_rows.c.generation == rollout.generation - 1,
        )
        .values(**_changing(rollout), envelope=envelope)
    )
    return changed.rowcount == 1


def keep_watched(connection: Connection, rollout: Rollout, watched: Watched) -> None:
    """Write what the gateway counted."""
    connection.execute(
        update(rollout_rows)
        .where(rollout_rows.c.namespace_id == rollout.namespace_id, rollout_rows.c.id == rollout.id)
        .values(watched=watched.to_json())
    )


def rollouts_of(
    connection: Connection, namespace_id: str, service_id: str, *, active: bool = False, limit: int = 100
) -> list[tuple[Rollout, Any]]:
    """The rollouts of a service with their signatures, newest first; only those under way when `active`."""
    wanted = select(rollout_rows).where(
        rollout_rows.c.namespace_id == namespace_id, rollout_rows.c.service_id == service_id
    )
    if active:
        wanted = wanted.where(rollout_rows.c.state.in_([state.value for state in ACTIVE]))
    rows = connection.execute(wanted.order_by(rollout_rows.c.pointer_generation.desc()).limit(limit))
    return [(_rollout(row._mapping), row._mapping["envelope"]) for row in rows]


def rollout_of(
    connection: Connection, namespace_id: str, service_id: str, pointer_generation: int
) -> tuple[Rollout, Any] | None:
    """The rollout that began with a move of the live pointer, with its signature."""
    row = connection.execute(
        select(rollout_rows).where(
            rollout_rows.c.namespace_id == namespace_id,
            rollout_rows.c.service_id == service_id,
            rollout_rows.c.pointer_generation == pointer_generation,
        )
    ).one_or_none()
    return None if row is None else (_rollout(row._mapping), row._mapping["envelope"])


def _changing(rollout: Rollout) -> dict[str, Any]:
    return {
        "state": rollout.state.value,
        "percent": rollout.percent,
        "paused": rollout.paused,
        "reason": rollout.reason,
        "watched": rollout.watched.to_json(),
        "held_since": rollout.held_since,
        "generation": rollout.generation,
        "changed_by": rollout.changed_by,
        "changed_at": rollout.changed_at,
    }


def _rollout(row: RowMapping) -> Rollout:
    return Rollout(
        id=row["id"],
        namespace_id=row["namespace_id"],
        service_id=row["service_id"],
        pointer_generation=row["pointer_generation"],
        model_version_id=row["model_version_id"],
        revision_id=row["revision_id"],
        revision=row["revision"],
        from_version_id=row["from_version_id"],
        from_revision_id=row["from_revision_id"],
        from_revision=row["from_revision"],
        plan=plan_from_json(row["plan"]),
        state=RolloutState(row["state"]),
        percent=row["percent"],
        paused=row["paused"],
        reason=row["reason"],
        watched=watched_from_json(row["watched"]),
        held_since=row["held_since"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        changed_by=row["changed_by"],
        changed_at=row["changed_at"],
        generation=row["generation"],
    )
