"""Artifacts in the database: found by namespace, listed in pages, with lineage and pins."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.access import Actor, Role
from tidemill.artifacts import (
    Artifact,
    CorruptArtifact,
    Direction,
    Edge,
    NewArtifact,
    artifact,
    ingest_bytes,
    lineage_of,
    list_artifacts,
    pin,
    record_artifact,
    record_edges,
    store,
    unpin,
    verify,
)
from tidemill.artifacts.lineage import task_artifacts
from tidemill.artifacts.pin import pins_of
from tidemill.artifacts.record import forget_edges
from tidemill.base.errors import Forbidden, InvalidInput, NotFound
from tidemill.base.site import Site

STRANGER = Actor(person="stranger", namespace_id="other", roles=frozenset({Role.OWNER}))


@pytest.fixture
def actor(site: Site, people: Any) -> Actor:
    """A person of the default namespace."""
    store.metadata.create_all(site.database.engine)
    found: Actor = people.author
    return found


def _record(site: Site, actor: Actor, **more: Any) -> Artifact:
    new = NewArtifact(**{"name": "table", "type": "system.Dataset", "content": ingest_bytes(site, b"rows"), **more})
    with site.database.write() as connection:
        return record_artifact(connection, site, new, namespace_id=actor.namespace_id, created_by=actor.person)


def test_an_artifact_is_found_in_its_own_namespace_only(site: Site, actor: Actor) -> None:
    made = _record(site, actor, metadata={"rows": 3})
    assert artifact(site, actor, made.id) == made
    with pytest.raises(NotFound):
        artifact(site, STRANGER, made.id)
    assert list_artifacts(site, STRANGER).items == []
    with pytest.raises(Forbidden):
        artifact(site, Actor(person="nobody", namespace_id=actor.namespace_id, roles=frozenset()), made.id)


def test_artifacts_are_listed_newest_first_in_pages(site: Site, actor: Actor) -> None:
    made = [_record(site, actor, name=f"table{number}") for number in range(3)]
    page = list_artifacts(site, actor, page_size=2)
    assert [one.id for one in page.items] == [made[2].id, made[1].id]
    rest = list_artifacts(site, actor, page_size=2, page_token=page.next_page_token)
    assert [one.id for one in rest.items] == [made[0].id]
    assert rest.next_page_token is None
    assert [one.id for one in list_artifacts(site, actor, filters={"name": "table1"}).items] == [made[1].id]
    with pytest.raises(InvalidInput, match="cannot filter"):
        list_artifacts(site, actor, filters={"uri": "x"})
    with pytest.raises(InvalidInput, match="page_token"):
        list_artifacts(site, actor, page_token="\xff")


def test_lineage_goes_one_task_back(site: Site, actor: Actor) -> None:
    source = _record(site, actor, name="source")
    made = _record(site, actor, name="made", task_id="task", run_id="run")
    edges = [
        Edge(run_id="run", task_id="task", artifact_id=source.id, direction=Direction.INPUT, port="table"),
        Edge(run_id="run", task_id="task", artifact_id=made.id, direction=Direction.OUTPUT, port="made"),
    ]
    with site.database.write() as connection:
        record_edges(connection, site, edges, namespace_id=actor.namespace_id, created_by=actor.person)
    found = lineage_of(site, actor, made.id)
    assert [one.id for one in found.sources] == [source.id]
    assert found.edges == (edges[1],)
    assert [edge.port for edge, _ in task_artifacts(site, actor, "task")] == ["table", "made"]
    with site.database.write() as connection:
        forget_edges(connection, ["task"], namespace_id=actor.namespace_id)
    assert lineage_of(site, actor, made.id).edges == ()


def test_a_pin_stands_until_its_owner_lets_go(site: Site, actor: Actor) -> None:
    made = _record(site, actor)
    namespace_id = actor.namespace_id
    with site.database.write() as connection:
        for owner in ("model-version:1", "model-version:1", "review:2"):
            pin(connection, site, [made.id], owner=owner, namespace_id=namespace_id, created_by="test")
        assert pins_of(connection, made.id, namespace_id=namespace_id) == ["model-version:1", "review:2"]
        assert unpin(connection, owner="model-version:1", namespace_id=namespace_id) == 1
        assert pins_of(connection, made.id, namespace_id=namespace_id) == ["review:2"]


def test_a_damaged_artifact_is_named_with_its_digest_and_its_maker(site: Site, actor: Actor) -> None:
    made = _record(site, actor, run_id="the-run", task_id="the-task")
    verify(site, made)
    assert made.digest is not None
    path = site.home.blobs / made.digest[7:9] / made.digest[9:]
    path.chmod(0o600)
    path.write_bytes(b"ROWS")
    with pytest.raises(CorruptArtifact) as caught:
        verify(site, made)
    assert made.digest in str(caught.value)
    assert "the-run" in str(caught.value)
