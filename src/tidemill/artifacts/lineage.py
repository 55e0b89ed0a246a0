"""Which artifacts came from which, through which tasks."""

from __future__ import annotations

from tidemill.access.model import Actor, Permission
from tidemill.artifacts import store
from tidemill.artifacts.find import artifact
from tidemill.artifacts.model import Artifact, Direction, Edge, Lineage
from tidemill.base.site import Site


def lineage_of(site: Site, actor: Actor, artifact_id: str) -> Lineage:
    """One step back from an artifact (what its maker read) and all edges that name it; `NotFound`."""
    found = artifact(site, actor, artifact_id)
    with site.database.read() as connection:
        edges = store.edges_where(connection, actor.namespace_id, column="artifact_id", value=artifact_id)
        sources: list[str] = []
        if found.task_id is not None:
            of_maker = store.edges_where(connection, actor.namespace_id, column="task_id", value=found.task_id)
            sources = [edge.artifact_id for edge in of_maker if edge.direction is Direction.INPUT]
        by_id = store.artifacts_by_id(connection, actor.namespace_id, sources)
    ordered = tuple(by_id[one] for one in dict.fromkeys(sources) if one in by_id)
    return Lineage(artifact=found, sources=ordered, edges=tuple(edges))


def task_artifacts(site: Site, actor: Actor, task_id: str) -> list[tuple[Edge, Artifact]]:
    """What a task read and made, in the order of ports and positions."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        edges = store.edges_where(connection, actor.namespace_id, column="task_id", value=task_id)
        by_id = store.artifacts_by_id(connection, actor.namespace_id, [edge.artifact_id for edge in edges])
    return [(edge, by_id[edge.artifact_id]) for edge in edges if edge.artifact_id in by_id]
