"""Recording artifacts and edges in the transaction of the one who made them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tidemill.artifacts import store
from tidemill.artifacts.model import Artifact, Edge, NewArtifact
from tidemill.base.site import Site


def prepare_artifact(site: Site, new: NewArtifact, *, namespace_id: str, created_by: str) -> Artifact:
    """The artifact with its id and time, not yet in the database."""
    return Artifact(
        id=site.ids.new(),
        namespace_id=namespace_id,
        name=new.name,
        type=new.type,
        type_version=new.type_version,
        content=new.content,
        uri=new.uri,
        metadata=new.metadata,
        run_id=new.run_id,
        task_id=new.task_id,
        attempt_id=new.attempt_id,
        created_by=created_by,
        created_at=site.clock.now(),
    )


def record_artifact(
    connection: Connection, site: Site, new: NewArtifact, *, namespace_id: str, created_by: str
) -> Artifact:
    """Add an artifact whose content is already in the store, in the caller's transaction."""
    made = prepare_artifact(site, new, namespace_id=namespace_id, created_by=created_by)
    store.insert_artifacts(connection, [made])
    return made


def record_edges(
    connection: Connection, site: Site, edges: Sequence[Edge], *, namespace_id: str, created_by: str
) -> None:
    """Add lineage edges, in the caller's transaction; an edge of the same task, direction, port and position may
    stand only once."""
    store.insert_edges(connection, namespace_id, edges, created_by=created_by, now=site.clock.now())


def record_prepared(connection: Connection, artifacts: Sequence[Artifact]) -> None:
    """Add artifacts made by `prepare_artifact`, in the caller's transaction."""
    store.insert_artifacts(connection, artifacts)


def forget_edges(connection: Connection, task_ids: Sequence[str], *, namespace_id: str) -> None:
    """Remove the edges of tasks that will run anew, in the caller's transaction."""
    store.delete_edges(connection, namespace_id, task_ids)
