"""The tables of artifacts and their queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
)

from tidemill.artifacts.model import Artifact, Content, ContentKind, Direction, Edge
from tidemill.base.database import UtcTime

metadata = MetaData()

artifact_rows = Table(
    "artifact",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("name", String(256), nullable=False),
    Column("type", String(128), nullable=False),
    Column("type_version", String(32), nullable=False),
    Column("digest", String(71)),
    Column("size_bytes", BigInteger),
    Column("kind", String(8)),
    Column("uri", Text, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("run_id", String(36)),
    Column("task_id", String(36)),
    Column("attempt_id", String(36)),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("artifact_run", "namespace_id", "run_id"),
    Index("artifact_digest", "namespace_id", "digest"),
)

edge_rows = Table(
    "artifact_edge",
    metadata,
    Column("task_id", String(36), primary_key=True),
    Column("direction", String(8), primary_key=True),
    Column("port", String(256), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("artifact_id", String(36), nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("artifact_edge_artifact", "namespace_id", "artifact_id"),
    Index("artifact_edge_run", "namespace_id", "run_id"),
)

pin_rows = Table(
    "artifact_pin",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("artifact_id", String(36), primary_key=True),
    Column("owner", String(128), primary_key=True),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)


def insert_artifacts(connection: Connection, artifacts: Sequence[Artifact]) -> None:
    """Add artifacts."""
    if artifacts:
        connection.execute(insert(artifact_rows), [_row(one) for one in artifacts])


def insert_edges(
    connection: Connection, namespace_id: str, edges: Sequence[Edge], *, created_by: str, now: datetime
) -> None:
    """Add edges."""
    rows = [
        {
            "namespace_id": namespace_id,
            "run_id": edge.run_id,
            "task_id": edge.task_id,
            "artifact_id": edge.artifact_id,
            "direction": edge.direction.value,
            "port": edge.port,
            "position": edge.position,
            "created_by": created_by,
            "created_at": now,
        }
        for edge in edges
    ]
    if rows:
        connection.execute(insert(edge_rows), rows)


def artifact_by_id(connection: Connection, namespace_id: str, artifact_id: str) -> Artifact | None:
    """The artifact of that id."""
    return next(iter(artifacts_by_id(connection, namespace_id, [artifact_id]).values()), None)


def artifacts_by_id(connection: Connection, namespace_id: str, ids: Sequence[str]) -> dict[str, Artifact]:
    """Artifacts by their ids; unknown ones are left out."""
    found: dict[str, Artifact] = {}
    for start in range(0, len(ids), 500):
        rows = connection.execute(
            select(artifact_rows).where(
                artifact_rows.c.namespace_id == namespace_id, artifact_rows.c.id.in_(ids[start : start + 500])
            )
        )
        found.update((row["id"], artifact_of(row)) for row in rows.mappings())
    return found


def page_of_artifacts(
    connection: Connection, namespace_id: str, filters: dict[str, str], *, after: str | None, limit: int
) -> list[Artifact]:
    """Artifacts, newest first, older than the id `after`; `filters` are columns with the value they must have."""
    query = select(artifact_rows).where(artifact_rows.c.namespace_id == namespace_id)
    for column, value in filters.items():
        query = query.where(artifact_rows.c[column] == value)
    if after is not None:
        query = query.where(artifact_rows.c.id < after)
    rows = connection.execute(query.order_by(artifact_rows.c.id.desc()).limit(limit))
    return [artifact_of(row) for row in rows.mappings()]


def edges_where(connection: Connection, namespace_id: str, *, column: str, value: str) -> list[Edge]:
    """The edges with a value in one column (`artifact_id`, `task_id` or `run_id`), in a stable order."""
    rows = connection.execute(
        select(edge_rows)
        .where(edge_rows.c.namespace_id == namespace_id, edge_rows.c[column] == value)
        .order_by(edge_rows.c.task_id, edge_rows.c.direction, edge_rows.c.port, edge_rows.c.position)
    )
    return [_edge(row) for row in rows.mappings()]


def insert_pin(connection: Connection, key: dict[str, str], *, created_by: str, now: datetime) -> None:
    """Add a pin unless it stands."""
    condition = [pin_rows.c[name] == value for name, value in key.items()]
    if connection.execute(select(pin_rows.c.owner).where(*condition)).first() is None:
        connection.execute(insert(pin_rows).values(**key, created_by=created_by, created_at=now))


def delete_pins(connection: Connection, namespace_id: str, owner: str) -> int:
    """Remove all pins of an owner; how many there were."""
    return connection.execute(
        delete(pin_rows).where(pin_rows.c.namespace_id == namespace_id, pin_rows.c.owner == owner)
    ).rowcount


def pin_owners(connection: Connection, namespace_id: str, artifact_id: str) -> list[str]:
    """Who keeps an artifact."""
    rows = connection.execute(
        select(pin_rows.c.owner)
        .where(pin_rows.c.namespace_id == namespace_id, pin_rows.c.artifact_id == artifact_id)
        .order_by(pin_rows.c.owner)
    )
    return [str(row.owner) for row in rows]


def _row(one: Artifact) -> dict[str, Any]:
    content = one.content
    return {
        "id": one.id,
        "namespace_id": one.namespace_id,
        "name": one.name,
        "type": one.type,
        "type_version": one.type_version,
        "digest": None if content is None else content.digest,
        "size_bytes": None if content is None else content.size_bytes,
        "kind": None if content is None else content.kind.value,
        "uri": one.uri,
        "metadata": one.metadata,
        "run_id": one.run_id,
        "task_id": one.task_id,
        "attempt_id": one.attempt_id,
        "created_by": one.created_by,
        "created_at": one.created_at,
    }


def artifact_of(row: RowMapping) -> Artifact:
    """The artifact in a row."""
    content = None
    if row["digest"] is not None:
        content = Content(digest=row["digest"], size_bytes=row["size_bytes"], kind=ContentKind(row["kind"]))
    names = ("id", "namespace_id", "name", "type", "type_version", "uri", "metadata", "run_id", "task_id", "attempt_id")
    return Artifact(
        content=content,
        created_by=row["created_by"],
        created_at=row["created_at"],
        **{name: row[name] for name in names},
    )


def _edge(row: RowMapping) -> Edge:
    return Edge(
        run_id=row["run_id"],
        task_id=row["task_id"],
        artifact_id=row["artifact_id"],
        direction=Direction(row["direction"]),
        port=row["port"],
        position=row["position"],
    )


def delete_edges(connection: Connection, namespace_id: str, task_ids: Sequence[str]) -> None:
    """Remove all edges of some tasks."""
    for start in range(0, len(task_ids), 500):
        some = edge_rows.c.task_id.in_(task_ids[start : start + 500])
        connection.execute(delete(edge_rows).where(edge_rows.c.namespace_id == namespace_id, some))
