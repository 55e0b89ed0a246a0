"""Which dataset versions a run reads: what the site checked when it took the bytes, whatever anybody says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from tidemill.artifacts.store import artifact_by_id
from tidemill.engine.importing import STORED
from tidemill.pipelines import Pipeline, local_imports


def data_given(
    connection: Connection, namespace_id: str, pipeline: Pipeline, parameters: Mapping[str, Any]
) -> dict[str, str]:
    """The dataset versions of the local files that a pipeline imports, by the files' paths."""
    found: dict[str, str] = {}
    for name, _ in local_imports(pipeline):
        found |= version_behind(connection, namespace_id, str(parameters.get(name, "")))
    return found


def version_behind(connection: Connection, namespace_id: str, uri: str, *, digest: str | None = None) -> dict[str, str]:
    """The path and the version of the content that a URI names: DVC's hash, else the `sha256:` digest of the bytes.

    An artifact of a task does not count, nor what a spec says of its importer: only data that was brought in itself,
    and only while it has the content of `digest`, when that is given.
    """
    if not uri.startswith(STORED):
        return {}
    source = artifact_by_id(connection, namespace_id, uri.removeprefix(STORED))
    if (
        source is None
        or source.run_id is not None
        or source.digest is None
        or source.digest != (digest or source.digest)
    ):
        return {}
    path = str(source.metadata.get("path", source.name))
    return {path: str(source.metadata.get("data_version", source.digest))}
