"""The tables of triggers and firings, and their queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    and_,
    insert,
    or_,
    select,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.triggers.model import FIRING_TRANSITIONS, Firing, FiringState, Trigger
from tidemill.triggers.spec import action_of, action_to_json, spec_of, spec_to_json

metadata = MetaData()

trigger_rows = Table(
    "trigger",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("project", String(63), nullable=False),
    Column("name", String(63), nullable=False),
    Column("kind", String(63), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("source", String(200), nullable=False),
    Column("next_at", UtcTime),
    Column("planned_at", UtcTime),
    Column("cursor", JSON),
    Column("problem", Text),
    Column("failures", Integer, nullable=False),
    Column("paused_by", String(128)),
    Column("paused_at", UtcTime),
    Column("removed_at", UtcTime),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("generation", Integer, nullable=False),
    UniqueConstraint("namespace_id", "project", "name", name="trigger_project_name"),
    Index("trigger_next_at", "next_at"),
)

firing_rows = Table(
    "firing",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("trigger_id", String(36), nullable=False),
    Column("trigger", String(63), nullable=False),
    Column("project", String(63), nullable=False),
    Column("kind", String(63), nullable=False),
    Column("key", String(300), nullable=False),
    Column("cause", JSON, nullable=False),
    Column("action", JSON, nullable=False),
    Column("state", String(24), nullable=False),
    Column("reason", Text),
    Column("remedy", Text),
    Column("run_id", String(36)),
    Column("model_version_id", String(36)),
    Column("model_version", String(128)),
    Column("review_id", String(36)),
    Column("attempts", Integer, nullable=False),
    Column("try_again_at", UtcTime),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("generation", Integer, nullable=False),
    UniqueConstraint("namespace_id", "trigger_id", "key", name="firing_once_per_key"),
    Index("firing_trigger", "namespace_id", "trigger_id", "id"),
    Index("firing_state", "state"),
)

_trigger = trigger_rows.c
_firing = firing_rows.c
OPEN_STATES = tuple(state.value for state, following in FIRING_TRANSITIONS.items() if following)


def insert_trigger(connection: Connection, trigger: Trigger) -> None:
    """Add a trigger."""
    connection.execute(insert(trigger_rows).values(**_values(trigger)))


def change_trigger(connection: Connection, trigger: Trigger, changes: Mapping[str, Any]) -> None:
    """Change fields of a trigger, in a transaction that holds its row."""
    values = {key: value for key, value in changes.items() if key != "spec"}
    if "spec" in changes:
        values |= {"spec": spec_to_json(changes["spec"]), "kind": str(changes["spec"].kind)}
    connection.execute(
        update(trigger_rows)
        .where(_trigger.namespace_id == trigger.namespace_id, _trigger.id == trigger.id)
        .values(generation=_trigger.generation + 1, **values)
    )


def trigger_by_id(connection: Connection, namespace_id: str, trigger_id: str, *, lock: bool = False) -> Trigger | None:
    """The trigger with that id; `lock` holds its row until the transaction ends."""
    query = select(trigger_rows).where(_trigger.namespace_id == namespace_id, _trigger.id == trigger_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _trigger_of(row._mapping)


def namespace_of_trigger(connection: Connection, trigger_id: str) -> str | None:
    """The namespace of a trigger, for who knows no more than its id: a webhook."""
    found = connection.execute(select(_trigger.namespace_id).where(_trigger.id == trigger_id)).scalar_one_or_none()
    return None if found is None else str(found)


def triggers_named(connection: Connection, namespace_id: str, name: str, project: str | None) -> list[Trigger]:
    """The triggers of a name, of one project or of all, those that were removed last."""
    query = select(trigger_rows).where(_trigger.namespace_id == namespace_id, _trigger.name == name)
    if project is not None:
        query = query.where(_trigger.project == project)
    found = [_trigger_of(row._mapping) for row in connection.execute(query.order_by(_trigger.project))]
    return sorted(found, key=lambda each: each.removed_at is not None)


def triggers_of(connection: Connection, namespace_id: str, project: str | None = None) -> list[Trigger]:
    """The triggers of a namespace, or of a project in it, by project and name; not those that were removed."""
    query = select(trigger_rows).where(_trigger.namespace_id == namespace_id, _trigger.removed_at.is_(None))
    if project is not None:
        query = query.where(_trigger.project == project)
    found = connection.execute(query.order_by(_trigger.project, _trigger.name))
    return [_trigger_of(row._mapping) for row in found]


def declared_before(connection: Connection, namespace_id: str, project: str) -> list[Trigger]:
    """All triggers that a project ever declared."""
    query = select(trigger_rows).where(_trigger.namespace_id == namespace_id, _trigger.project == project)
    return [_trigger_of(row._mapping) for row in connection.execute(query.order_by(_trigger.name).with_for_update())]


def due_triggers(connection: Connection, now: datetime, set_back: datetime) -> list[Trigger]:
    """Triggers at work, of all namespaces, whose time has come, or that were planned by a clock that was ahead."""
    came = or_(_trigger.next_at <= now, _trigger.planned_at > set_back)
    query = select(trigger_rows).where(_at_work(), _trigger.next_at.is_not(None), came)
    return [_trigger_of(row._mapping) for row in connection.execute(query.order_by(_trigger.next_at))]


def triggers_of_kinds(connection: Connection, kinds: Sequence[str]) -> list[Trigger]:
    """Triggers at work of these kinds, of all namespaces."""
    query = select(trigger_rows).where(_at_work(), _trigger.kind.in_(kinds))
    return [_trigger_of(row._mapping) for row in connection.execute(query.order_by(_trigger.id))]


def _at_work() -> Any:
    return and_(_trigger.paused_at.is_(None), _trigger.removed_at.is_(None))


def insert_firing(connection: Connection, firing: Firing) -> None:
    """Add a firing, in a transaction that holds the row of its trigger."""
    connection.execute(insert(firing_rows).values(**_firing_values(firing)))


def firing_by_key(connection: Connection, trigger: Trigger, key: str) -> Firing | None:
    """The firing of that key."""
    query = select(firing_rows).where(
        _firing.namespace_id == trigger.namespace_id, _firing.trigger_id == trigger.id, _firing.key == key
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _firing_of(row._mapping)


def firing_by_id(connection: Connection, namespace_id: str, firing_id: str) -> Firing | None:
    """The firing with that id."""
    query = select(firing_rows).where(_firing.namespace_id == namespace_id, _firing.id == firing_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _firing_of(row._mapping)


def firings_of(connection: Connection, trigger: Trigger, *, before: str | None = None, limit: int) -> list[Firing]:
    """The firings of a trigger, newest first, with ids before a given one."""
    query = select(firing_rows).where(_firing.namespace_id == trigger.namespace_id, _firing.trigger_id == trigger.id)
    if before is not None:
        query = query.where(_firing.id < before)
    found = connection.execute(query.order_by(_firing.id.desc()).limit(limit))
    return [_firing_of(row._mapping) for row in found]


def open_firings(connection: Connection, trigger: Trigger | None = None) -> list[Firing]:
    """Firings that go on, oldest first; of one trigger, or of all namespaces."""
    query = select(firing_rows).where(_firing.state.in_(OPEN_STATES))
    if trigger is not None:
        query = query.where(_firing.namespace_id == trigger.namespace_id, _firing.trigger_id == trigger.id)
    return [_firing_of(row._mapping) for row in connection.execute(query.order_by(_firing.id))]


def last_counted(connection: Connection, trigger: Trigger, *, until: datetime) -> Firing | None:
    """The newest firing, up to a moment, that was neither skipped nor refused: the cool-down starts with it."""
    query = select(firing_rows).where(
        _firing.namespace_id == trigger.namespace_id,
        _firing.trigger_id == trigger.id,
        _firing.state.not_in([FiringState.SKIPPED.value, FiringState.REFUSED.value]),
        _firing.created_at <= until,
    )
    row = connection.execute(query.order_by(_firing.created_at.desc(), _firing.id.desc()).limit(1)).one_or_none()
    return None if row is None else _firing_of(row._mapping)


def change_firing(connection: Connection, firing: Firing, changes: Mapping[str, Any]) -> bool:
    """Change a firing; False when somebody else changed it since it was read."""
    changed = connection.execute(
        update(firing_rows)
        .where(
            _firing.namespace_id == firing.namespace_id,
            _firing.id == firing.id,
            _firing.generation == firing.generation,
        )
        .values(generation=firing.generation + 1, **changes)
    )
    return changed.rowcount == 1


def _values(trigger: Trigger) -> dict[str, Any]:
    same = {name: getattr(trigger, name) for name in Trigger.__slots__ if name != "spec"}
    spec = trigger.spec
    own = {"project": trigger.project, "name": trigger.name, "kind": str(spec.kind), "spec": spec_to_json(spec)}
    return {**same, **own}


def _trigger_of(row: RowMapping) -> Trigger:
    same = {name: row[name] for name in Trigger.__slots__ if name in row}
    return Trigger(**{**same, "spec": spec_of(row["spec"])})


def _firing_values(firing: Firing) -> dict[str, Any]:
    same = {name: getattr(firing, name) for name in Firing.__slots__}
    return {**same, "state": firing.state.value, "action": action_to_json(firing.action)}


def _firing_of(row: RowMapping) -> Firing:
    same = {name: row[name] for name in Firing.__slots__}
    return Firing(**{**same, "state": FiringState(row["state"]), "action": action_of(row["action"])})
