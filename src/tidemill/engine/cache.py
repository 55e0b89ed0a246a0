"""The cache: a step with the same component, lock, parameters and content of inputs is not run again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, select

from tidemill.artifacts import Artifact, ArtifactStore, Content
from tidemill.artifacts.store import artifacts_by_id
from tidemill.base.errors import Forbidden
from tidemill.base.site import Site
from tidemill.engine.graph import Node
from tidemill.engine.model import State
from tidemill.engine.seals import prove_task, sealing_key
from tidemill.engine.store import task_rows

_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Outputs of an earlier task that did the same."""

    task_id: str
    parameters: dict[str, Any]
    artifacts: dict[str, list[Artifact]]


def cache_key(node: Node, lock_digest: str | None) -> str:
    """What a step's outputs depend on, as a digest; the spec's own `cache_key` takes the place of the inputs."""
    if node.spec.cache_key:
        what: dict[str, Any] = {"named": node.spec.cache_key, "outputs": sorted(_output_names(node))}
    else:
        what = {
            "component": node.component.digest,
            "lock": lock_digest,
            "parameters": node.parameters,
            "artifacts": {name: [_identity(one) for one in found] for name, found in node.artifacts.items()},
        }
    # Not canonical JSON: parameters may be NaN or infinite.
    text = json.dumps({"schema_version": _SCHEMA_VERSION, **what}, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _output_names(node: Node) -> list[str]:
    return [*node.component.outputs.parameters, *node.component.outputs.artifacts]


def _identity(one: Artifact) -> dict[str, Any]:
    """What a step can see of an input: its bytes, type and metadata, not where it came from."""
    content = one.digest if one.content is not None else one.uri
    return {"content": content, "type": one.type, "metadata": one.metadata}


def look_up(site: Site, blobs: ArtifactStore, namespace_id: str, key: str) -> Hit | None:
    """The newest success with this key, if its record proves and its blobs are all there."""
    query = (
        select(task_rows)
        .where(
            task_rows.c.namespace_id == namespace_id,
            task_rows.c.cache_key == key,
            task_rows.c.state == State.SUCCEEDED.value,
        )
        .order_by(task_rows.c.id.desc())
        .limit(1)
    )
    with site.database.read() as connection:
        row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        ids = [one for found in row["output_artifacts"].values() for one in found]
        known = artifacts_by_id(connection, namespace_id, ids)
    if not _is_proven(site, row, known):
        return None
    if any(one not in known or not _is_there(blobs, known[one].content) for one in ids):
        return None
    artifacts = {name: [known[one] for one in found] for name, found in row["output_artifacts"].items()}
    return Hit(task_id=row["id"], parameters=row["output_parameters"], artifacts=artifacts)


def _is_proven(site: Site, row: RowMapping, known: dict[str, Artifact]) -> bool:
    """Whether the task's record is what the engine wrote; one that somebody changed gives nothing to others."""
    try:
        prove_task(sealing_key(site.home), row, known)
    except Forbidden:
        return False
    return True


def _is_there(blobs: ArtifactStore, content: Content | None) -> bool:
    return content is None or blobs.has(content.digest)
