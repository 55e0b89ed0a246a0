"""Pins: an upper slice says that an artifact is needed; what is pinned is never collected."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tidemill.artifacts import store
from tidemill.base.site import Site


def pin(
    connection: Connection, site: Site, artifact_ids: Sequence[str], *, owner: str, namespace_id: str, created_by: str
) -> None:
    """Keep artifacts for an owner (`model-version:<id>`), in the caller's transaction; again is no harm."""
    for artifact_id in artifact_ids:
        key = {"namespace_id": namespace_id, "artifact_id": artifact_id, "owner": owner}
        store.insert_pin(connection, key, created_by=created_by, now=site.clock.now())


def unpin(connection: Connection, *, owner: str, namespace_id: str) -> int:
    """Let go of all that an owner kept; how many pins that were."""
    return store.delete_pins(connection, namespace_id, owner)


def pins_of(connection: Connection, artifact_id: str, *, namespace_id: str) -> list[str]:
    """The owners who keep an artifact, sorted."""
    return store.pin_owners(connection, namespace_id, artifact_id)
