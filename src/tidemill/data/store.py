"""The table of dataset versions seen, and its queries."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
    update,
)

from tidemill.base.database import UtcTime
from tidemill.data.model import DatasetVersion

metadata = MetaData()

dataset_version_rows = Table(
    "dataset_version",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("repository", String(1024), nullable=False),
    Column("path", String(1024), nullable=False),
    Column("dvc_file", String(1024), nullable=False),
    Column("hash", String(128), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("file_count", BigInteger, nullable=False),
    Column("row_count", BigInteger),
    Column("git_commit", String(64)),
    Column("generation", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("namespace_id", "repository", "path", "hash", name="dataset_version_content"),
    Index("dataset_version_namespace_id", "namespace_id", "id"),
)


def find_version(
    connection: Connection, namespace_id: str, *, repository: str, path: str, content_hash: str
) -> DatasetVersion | None:
    """The version of that content of a dataset."""
    row = connection.execute(
        select(dataset_version_rows).where(
            dataset_version_rows.c.namespace_id == namespace_id,
            dataset_version_rows.c.repository == repository,
            dataset_version_rows.c.path == path,
            dataset_version_rows.c.hash == content_hash,
        )
    ).one_or_none()
    return None if row is None else _version(row._mapping)


def version_by_id(connection: Connection, namespace_id: str, version_id: str) -> DatasetVersion | None:
    """The version with that id."""
    row = connection.execute(
        select(dataset_version_rows).where(
            dataset_version_rows.c.namespace_id == namespace_id, dataset_version_rows.c.id == version_id
        )
    ).one_or_none()
    return None if row is None else _version(row._mapping)


def insert_version(connection: Connection, version: DatasetVersion) -> None:
    """Add a version."""
    connection.execute(
        insert(dataset_version_rows).values(
            {column.name: getattr(version, column.name) for column in dataset_version_rows.columns}
        )
    )


def set_commit(connection: Connection, namespace_id: str, version_id: str, git_commit: str) -> None:
    """Record the commit of a version that had none yet."""
    connection.execute(
        update(dataset_version_rows)
        .where(
            dataset_version_rows.c.namespace_id == namespace_id,
            dataset_version_rows.c.id == version_id,
            dataset_version_rows.c.git_commit.is_(None),
        )
        .values(git_commit=git_commit, generation=dataset_version_rows.c.generation + 1)
    )


def page_of_versions(
    connection: Connection, namespace_id: str, filters: Mapping[str, str], *, before: str | None, limit: int
) -> list[DatasetVersion]:
    """Versions, newest first, with ids before a given one; `filters` are columns with the value they must have."""
    query = select(dataset_version_rows).where(dataset_version_rows.c.namespace_id == namespace_id)
    for column, value in filters.items():
        query = query.where(dataset_version_rows.c[column] == value)
    if before is not None:
        query = query.where(dataset_version_rows.c.id < before)
    rows = connection.execute(query.order_by(dataset_version_rows.c.id.desc()).limit(limit))
    return [_version(row._mapping) for row in rows]


def _version(row: RowMapping) -> DatasetVersion:
    return DatasetVersion(**{column.name: row[column.name] for column in dataset_version_rows.columns})
