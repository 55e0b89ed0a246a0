"""The tables of the registry and their queries."""

from __future__ import annotations

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
    UniqueConstraint,
    and_,
    insert,
    select,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.engine import Run
from tidemill.registry.model import LivePointer, Model, ModelVersion, MoveKind, PointerMove, VersionState

metadata = MetaData()

model_rows = Table(
    "model",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("name", String(128), nullable=False),
    Column("versions", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("generation", Integer, nullable=False),
    UniqueConstraint("namespace_id", "name", name="model_name"),
)

version_rows = Table(
    "model_version",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("model_id", String(36), nullable=False),
    Column("model", String(128), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("package_digest", String(71), nullable=False),
    Column("package_artifact_id", String(36), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("lock_digest", String(71), nullable=False),
    Column("spec_digest", String(71), nullable=False),
    Column("signature", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("data_versions", JSON, nullable=False),
    Column("code_commit", String(64)),
    Column("author", String(128), nullable=False),
    Column("run_author", String(128), nullable=False),
    Column("seal", String(160)),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("generation", Integer, nullable=False),
    UniqueConstraint("model_id", "number", name="model_version_number"),
    Index("model_version_run", "namespace_id", "run_id"),
)

pointer_rows = Table(
    "live_pointer",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("environment", String(63), primary_key=True),
    Column("service", String(63), primary_key=True),
    Column("model_version_id", String(36), nullable=False),
    Column("previous_version_id", String(36)),
    Column("review_id", String(36), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("moved_by", String(128), nullable=False),
    Column("moved_at", UtcTime, nullable=False),
)

move_rows = Table(
    "live_pointer_move",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("environment", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("from_version_id", String(36)),
    Column("to_version_id", String(36), nullable=False),
    Column("review_id", String(36), nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("namespace_id", "environment", "service", "generation", name="live_pointer_move_generation"),
)


def model_by_name(connection: Connection, namespace_id: str, name: str, *, lock: bool = False) -> Model | None:
    """The model of that name; `lock` holds its row until the transaction ends."""
    query = select(model_rows).where(model_rows.c.namespace_id == namespace_id, model_rows.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _model(row._mapping)


def insert_model(connection: Connection, model: Model) -> None:
    """Add a model."""
    connection.execute(
        insert(model_rows).values(
            id=model.id,
            namespace_id=model.namespace_id,
            name=model.name,
            versions=model.versions,
            created_by=model.created_by,
            created_at=model.created_at,
            generation=1,
        )
    )


def next_number(connection: Connection, namespace_id: str, model_id: str) -> int:
    """Count one more version of a model and return its number."""
    return int(
        connection.execute(
            update(model_rows)
            .where(model_rows.c.namespace_id == namespace_id, model_rows.c.id == model_id)
            .values(versions=model_rows.c.versions + 1, generation=model_rows.c.generation + 1)
            .returning(model_rows.c.versions)
        ).scalar_one()
    )


def models_of(connection: Connection, namespace_id: str, *, after: str, limit: int) -> list[Model]:
    """Models by name, those after the name `after`."""
    rows = connection.execute(
        select(model_rows)
        .where(model_rows.c.namespace_id == namespace_id, model_rows.c.name > after)
        .order_by(model_rows.c.name)
        .limit(limit)
    )
    return [_model(row._mapping) for row in rows]


def insert_version(connection: Connection, version: ModelVersion, model_id: str) -> None:
    """Add a version."""
    values = {name: getattr(version, name) for name in version_rows.c.keys() if name != "model_id"}  # noqa: SIM118 ColumnCollection is no dict
    connection.execute(insert(version_rows).values(**{**values, "state": version.state.value, "model_id": model_id}))


def version_by_id(
    connection: Connection, namespace_id: str, version_id: str, *, lock: bool = False
) -> ModelVersion | None:
    """The version of that id; `lock` holds its row until the transaction ends."""
    query = select(version_rows).where(version_rows.c.namespace_id == namespace_id, version_rows.c.id == version_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _version(row._mapping)


def version_by_number(connection: Connection, namespace_id: str, model: str, number: int) -> ModelVersion | None:
    """The version `model@number`."""
    row = connection.execute(
        select(version_rows).where(
            version_rows.c.namespace_id == namespace_id, version_rows.c.model == model, version_rows.c.number == number
        )
    ).one_or_none()
    return None if row is None else _version(row._mapping)


def version_of_package(connection: Connection, run: Run, model: str, package_digest: str) -> ModelVersion | None:
    """The version that this package of this run became already."""
    row = connection.execute(
        select(version_rows).where(
            version_rows.c.namespace_id == run.namespace_id,
            version_rows.c.run_id == run.id,
            version_rows.c.model == model,
            version_rows.c.package_digest == package_digest,
        )
    ).first()
    return None if row is None else _version(row._mapping)


def versions_of(
    connection: Connection, namespace_id: str, model: str, *, before: int | None, limit: int
) -> list[ModelVersion]:
    """Versions of a model, newest first, those with a number below `before`."""
    query = select(version_rows).where(version_rows.c.namespace_id == namespace_id, version_rows.c.model == model)
    if before is not None:
        query = query.where(version_rows.c.number < before)
    rows = connection.execute(query.order_by(version_rows.c.number.desc()).limit(limit))
    return [_version(row._mapping) for row in rows]


def set_version_state(connection: Connection, version: ModelVersion, state: VersionState) -> bool:
    """Change a version's state if nobody else changed the version meanwhile."""
    changed = connection.execute(
        update(version_rows)
        .where(
            version_rows.c.namespace_id == version.namespace_id,
            version_rows.c.id == version.id,
            version_rows.c.generation == version.generation,
        )
        .values(state=state.value, generation=version.generation + 1)
    )
    return changed.rowcount == 1


def pointer(
    connection: Connection, namespace_id: str, environment: str, service: str, *, lock: bool = False
) -> LivePointer | None:
    """The live pointer of a service; `lock` holds its row until the transaction ends."""
    query = select(pointer_rows).where(_pointer_key(namespace_id, environment, service))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _pointer(row._mapping)


def pointers_of(connection: Connection, namespace_id: str) -> list[LivePointer]:
    """Every live pointer of a namespace, by environment and service."""
    rows = connection.execute(
        select(pointer_rows)
        .where(pointer_rows.c.namespace_id == namespace_id)
        .order_by(pointer_rows.c.environment, pointer_rows.c.service)
    )
    return [_pointer(row._mapping) for row in rows]


def put_pointer(connection: Connection, new: LivePointer, old: LivePointer | None) -> bool:
    """Write a pointer over the old one that the caller saw; False when it is not that one any more."""
    values = {
        "model_version_id": new.model_version_id,
        "previous_version_id": new.previous_version_id,
        "review_id": new.review_id,
        "generation": new.generation,
        "moved_by": new.moved_by,
        "moved_at": new.moved_at,
    }
    key = {"namespace_id": new.namespace_id, "environment": new.environment, "service": new.service}
    if old is None:
        made = {"created_by": new.moved_by, "created_at": new.moved_at}
        connection.execute(insert(pointer_rows).values(**key, **values, **made))
        return True
    changed = connection.execute(
        update(pointer_rows)
        .where(
            _pointer_key(new.namespace_id, new.environment, new.service), pointer_rows.c.generation == old.generation
        )
        .values(**values)
    )
    return changed.rowcount == 1


def insert_move(connection: Connection, move_id: str, namespace_id: str, move: PointerMove) -> None:
    """Keep a move."""
    connection.execute(
        insert(move_rows).values(
            id=move_id,
            namespace_id=namespace_id,
            environment=move.environment,
            service=move.service,
            generation=move.generation,
            kind=move.kind.value,
            from_version_id=move.from_version_id,
            to_version_id=move.to_version_id,
            review_id=move.review_id,
            created_by=move.moved_by,
            created_at=move.moved_at,
        )
    )


def moves_of(connection: Connection, namespace_id: str, environment: str, service: str) -> list[PointerMove]:
    """The moves of a pointer, oldest first."""
    rows = connection.execute(
        select(move_rows)
        .where(
            move_rows.c.namespace_id == namespace_id,
            move_rows.c.environment == environment,
            move_rows.c.service == service,
        )
        .order_by(move_rows.c.generation)
    )
    return [_move(row._mapping) for row in rows]


def _pointer_key(namespace_id: str, environment: str, service: str) -> Any:
    return and_(
        pointer_rows.c.namespace_id == namespace_id,
        pointer_rows.c.environment == environment,
        pointer_rows.c.service == service,
    )


def _model(row: RowMapping) -> Model:
    return Model(
        id=row["id"],
        namespace_id=row["namespace_id"],
        name=row["name"],
        versions=row["versions"],
        created_by=row["created_by"],
        created_at=row["created_at"],
    )


def _version(row: RowMapping) -> ModelVersion:
    values = {name: row[name] for name in ModelVersion.__slots__}
    return ModelVersion(**{**values, "state": VersionState(row["state"])})


def _pointer(row: RowMapping) -> LivePointer:
    return LivePointer(**{name: row[name] for name in LivePointer.__slots__})


def _move(row: RowMapping) -> PointerMove:
    return PointerMove(
        environment=row["environment"],
        service=row["service"],
        generation=row["generation"],
        kind=MoveKind(row["kind"]),
        from_version_id=row["from_version_id"],
        to_version_id=row["to_version_id"],
        review_id=row["review_id"],
        moved_by=row["created_by"],
        moved_at=row["created_at"],
    )
