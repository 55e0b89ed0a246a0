"""The table of applied project files, one row per generation and none ever changed, and its queries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    and_,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from tidemill.base.database import UtcTime
from tidemill.project.fields import DOCUMENT_SCHEMA_VERSION
from tidemill.project.model import AppliedProject, Generation

metadata = MetaData()

applied_project_rows = Table(
    "applied_project",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("project", String(63), primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("document", JSON, nullable=False),
    Column("digest", String(71), nullable=False),
    Column("file", String(1024), nullable=False),
    Column("git_commit", String(64)),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

_rows = applied_project_rows.c
_HEADER = [column for column in _rows if column.name != "document"]


def insert_generation(connection: Connection, applied: AppliedProject) -> bool:
    """Add a generation; False when somebody else made the one of that number."""
    generation = applied.generation
    try:
        with connection.begin_nested():
            connection.execute(
                insert(applied_project_rows).values(
                    namespace_id=generation.namespace_id,
                    project=generation.project,
                    generation=generation.number,
                    document={"schema_version": DOCUMENT_SCHEMA_VERSION, **applied.document},
                    digest=generation.digest,
                    file=generation.file,
                    git_commit=generation.commit,
                    created_by=generation.created_by,
                    created_at=generation.created_at,
                )
            )
    except IntegrityError:
        return False
    return True


def applied_project(
    connection: Connection, namespace_id: str, project: str, number: int | None = None
) -> AppliedProject | None:
    """A generation of a project with its document, the newest one when no number is given."""
    query = select(applied_project_rows).where(_rows.namespace_id == namespace_id, _rows.project == project)
    if number is not None:
        query = query.where(_rows.generation == number)
    row = connection.execute(query.order_by(_rows.generation.desc()).limit(1)).one_or_none()
    return None if row is None else _applied(row._mapping)


def applied_since(connection: Connection, namespace_id: str, project: str, number: int) -> Iterator[AppliedProject]:
    """The generations from this number on, oldest first, one at a time."""
    found = connection.execute(
        select(applied_project_rows)
        .where(_rows.namespace_id == namespace_id, _rows.project == project, _rows.generation >= number)
        .order_by(_rows.generation)
    )
    return (_applied(row._mapping) for row in found)


def newest_of_each(connection: Connection, namespace_id: str, *, after: str = "", limit: int) -> list[AppliedProject]:
    """The newest generation of each project, by name, those after the name `after`."""
    newest = (
        select(_rows.project, func.max(_rows.generation).label("generation"))
        .where(_rows.namespace_id == namespace_id, _rows.project > after)
        .group_by(_rows.project)
        .order_by(_rows.project)
        .limit(limit)
        .subquery()
    )
    joined = and_(_rows.project == newest.c.project, _rows.generation == newest.c.generation)
    found = connection.execute(
        select(applied_project_rows)
        .join(newest, joined)
        .where(_rows.namespace_id == namespace_id)
        .order_by(_rows.project)
    )
    return [_applied(row._mapping) for row in found]


def generations_of(
    connection: Connection, namespace_id: str, project: str, *, before: int | None, limit: int
) -> list[Generation]:
    """The generations of a project, newest first, those before a number."""
    query = select(*_HEADER).where(_rows.namespace_id == namespace_id, _rows.project == project)
    if before is not None:
        query = query.where(_rows.generation < before)
    found = connection.execute(query.order_by(_rows.generation.desc()).limit(limit))
    return [_generation(row._mapping) for row in found]


def _applied(row: RowMapping) -> AppliedProject:
    document: dict[str, Any] = {key: value for key, value in row["document"].items() if key != "schema_version"}
    return AppliedProject(generation=_generation(row), document=document)


def _generation(row: RowMapping) -> Generation:
    return Generation(
        namespace_id=row["namespace_id"],
        project=row["project"],
        number=row["generation"],
        digest=row["digest"],
        file=row["file"],
        commit=row["git_commit"],
        created_by=row["created_by"],
        created_at=row["created_at"],
    )
