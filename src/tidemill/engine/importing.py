"""Importers: what lies at a local URI becomes an artifact."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

from tidemill.artifacts import Artifact, ArtifactStore, Content, NewArtifact
from tidemill.artifacts.record import prepare_artifact
from tidemill.artifacts.store import artifact_by_id
from tidemill.base.errors import InvalidInput
from tidemill.base.site import Site
from tidemill.engine.bind import job_names
from tidemill.engine.graph import Node, RunGraph
from tidemill.pipelines import PlaceholderContext, resolve_placeholders, resolve_value
from tidemill.pipelines.model import ImporterExecutor

STORED = "tidemill://artifacts/"
"""A URI of an artifact of this site, by id."""


def import_artifact(site: Site, blobs: ArtifactStore, graph: RunGraph, node: Node) -> dict[str, list[Artifact]]:
    """The importer's output with a copy of the bytes in the store; `InvalidInput` for a URI that is not local."""
    executor = node.component.executor
    assert isinstance(executor, ImporterExecutor)
    given = {"inputs": {"parameterValues": node.parameters, "artifacts": {}}, "outputs": {}}
    context = PlaceholderContext(executor_input=given, job=job_names(graph, node))
    uri = _uri(node, executor, context)
    metadata = resolve_value(dict(executor.metadata), context) if executor.metadata else {}
    if uri.startswith(STORED):
        known = _stored(site, graph, uri.removeprefix(STORED), place=f"task {node.path}")
        content, metadata = known.content, {**known.metadata, **metadata}
    else:
        content = _copied(site, blobs, uri, place=f"task {node.path}")
    name = next(iter(node.component.outputs.artifacts), "artifact")
    new = NewArtifact(
        name=name,
        type=executor.artifact.schema_title,
        type_version=executor.artifact.schema_version,
        content=content,
        uri=uri,
        metadata=metadata,
        run_id=graph.id,
        task_id=node.id,
    )
    return {name: [prepare_artifact(site, new, namespace_id=graph.namespace_id, created_by=graph.author)]}


def _stored(site: Site, graph: RunGraph, artifact_id: str, *, place: str) -> Artifact:
    """An artifact that is in the store already: a dataset version that was checked before the run."""
    with site.database.read() as connection:
        found = artifact_by_id(connection, graph.namespace_id, artifact_id)
    if found is None:
        raise InvalidInput(f"there is no artifact {artifact_id[:64]!r}", place=place)
    return found


def _copied(site: Site, blobs: ArtifactStore, uri: str, *, place: str) -> Content:
    path = _local_path(uri, place=place)
    real = path.resolve()
    for secret in (site.home.keys.resolve(), site.home.database.resolve()):
        if real.is_relative_to(secret) or secret.is_relative_to(real):
            raise InvalidInput("the keys and the database of the site are not imported", place=place)
    copy = site.home.work / f"import-{site.ids.new()}"
    try:
        if path.is_dir():
            shutil.copytree(path, copy, symlinks=True)
        else:
            shutil.copyfile(path, copy)
        return blobs.ingest(copy)
    except FileNotFoundError as problem:
        raise InvalidInput(f"there is nothing at {uri}", place=place) from problem
    finally:
        if copy.is_dir():
            shutil.rmtree(copy, ignore_errors=True)
        else:
            copy.unlink(missing_ok=True)


def _uri(node: Node, executor: ImporterExecutor, context: PlaceholderContext) -> str:
    if executor.uri_input is not None:
        return str(node.parameters.get(executor.uri_input, ""))
    (uri,) = resolve_placeholders((executor.uri,), context)
    return uri


def _local_path(uri: str, *, place: str) -> Path:
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    if parsed.scheme or not uri.startswith("/"):
        raise InvalidInput(
            f"{uri[:200]!r} is not a local file or folder",
            place=place,
            remedy="give an absolute path or a file:// URI; other stores are not supported by the embedded engine yet",
        )
    return Path(uri)
