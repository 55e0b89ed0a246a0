"""Routes of artifacts: list, get, lineage, download."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from tidemill.access.guard import can_read
from tidemill.access.model import Actor
from tidemill.artifacts.errors import CorruptArtifact
from tidemill.artifacts.find import artifact, list_artifacts
from tidemill.artifacts.lineage import lineage_of
from tidemill.artifacts.manifest import EntryKind
from tidemill.artifacts.model import Artifact, Edge
from tidemill.artifacts.preview import preview_artifact
from tidemill.artifacts.read import blob_store, open_blob, verify
from tidemill.base.errors import NotFound
from tidemill.base.site import Site

_PIECE_BYTES = 1 << 18
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "Cache-Control": "private, max-age=31536000, immutable",
    "Referrer-Policy": "no-referrer",
}


class ArtifactView(BaseModel):
    """An artifact."""

    id: str
    name: str
    type: str
    digest: str | None
    size_bytes: int | None
    kind: str | None
    uri: str
    metadata: dict[str, Any]
    run_id: str | None
    task_id: str | None
    attempt_id: str | None
    created_by: str
    created_at: datetime


class ArtifactPage(BaseModel):
    """A page of artifacts, newest first."""

    items: list[ArtifactView]
    next_page_token: str | None


class EdgeView(BaseModel):
    """A task used or made an artifact."""

    run_id: str
    task_id: str
    artifact_id: str
    direction: str
    port: str
    position: int


class LineageView(BaseModel):
    """An artifact, what its maker read, and all edges that name it."""

    artifact: ArtifactView
    sources: list[ArtifactView]
    edges: list[EdgeView]


class EntryView(BaseModel):
    """A path in a folder artifact."""

    path: str
    kind: str
    size_bytes: int
    digest: str


class TableColumnView(BaseModel):
    """A column, and what its looked-at rows hold: `common` is the most frequent value and its count."""

    name: str
    type: str
    missing: int
    distinct: int | None
    least: Any
    most: Any
    mean: float | None
    common: list[Any] | None


class TablePreviewView(BaseModel):
    """The beginning of a table; `problem` says why there is none. Cells are null, true, false, numbers or texts.

    `rows` is null where nobody counted them all, `looked_at` is how many the columns tell of, `columns_in_all` how many
    columns there are.
    """

    format: str
    rows: int | None
    looked_at: int
    columns_in_all: int
    note: str
    columns: list[TableColumnView]
    cells: list[list[Any]]
    problem: str


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(prefix="/artifacts", tags=["artifacts"])

    @router.get("")
    def listing(
        actor: Annotated[Actor, Depends(can_read)],
        run_id: str | None = None,
        task_id: str | None = None,
        type: str | None = None,
        page_size: Annotated[int, Query(ge=1, le=1000)] = 100,
        page_token: str | None = None,
    ) -> ArtifactPage:
        asked = {"run_id": run_id, "task_id": task_id, "type": type}
        filters = {key: value for key, value in asked.items() if value is not None}
        page = list_artifacts(site, actor, filters=filters, page_size=page_size, page_token=page_token)
        return ArtifactPage(items=[view(one) for one in page.items], next_page_token=page.next_page_token)

    @router.get("/{artifact_id}")
    def get(artifact_id: str, actor: Annotated[Actor, Depends(can_read)]) -> ArtifactView:
        return view(artifact(site, actor, artifact_id))

    @router.get("/{artifact_id}/lineage")
    def lineage(artifact_id: str, actor: Annotated[Actor, Depends(can_read)]) -> LineageView:
        found = lineage_of(site, actor, artifact_id)
        return LineageView(
            artifact=view(found.artifact),
            sources=[view(one) for one in found.sources],
            edges=[_edge_view(edge) for edge in found.edges],
        )

    @router.get("/{artifact_id}/entries")
    def entries(artifact_id: str, actor: Annotated[Actor, Depends(can_read)]) -> list[EntryView]:
        found = artifact(site, actor, artifact_id)
        if found.content is None:
            return []
        return [
            EntryView(path=one.path, kind=one.kind.value, size_bytes=one.size_bytes, digest=one.digest)
            for one in blob_store(site).entries(found.content)
        ]

    @router.get("/{artifact_id}/preview")
    def preview(artifact_id: str, actor: Annotated[Actor, Depends(can_read)], path: str = "") -> TablePreviewView:
        return TablePreviewView(**preview_artifact(site, actor, artifact_id, path))

    @router.get("/{artifact_id}/content", response_class=StreamingResponse)
    def content(
        artifact_id: str, actor: Annotated[Actor, Depends(can_read)], path: str = "", inline: bool = False
    ) -> StreamingResponse:
        return _download(site, artifact(site, actor, artifact_id), path, inline=inline)

    return router


def view(one: Artifact) -> ArtifactView:
    """An artifact as the API shows it."""
    return ArtifactView(
        id=one.id,
        name=one.name,
        type=one.type,
        digest=one.digest,
        size_bytes=None if one.content is None else one.content.size_bytes,
        kind=None if one.content is None else one.content.kind.value,
        uri=one.uri,
        metadata=one.metadata,
        run_id=one.run_id,
        task_id=one.task_id,
        attempt_id=one.attempt_id,
        created_by=one.created_by,
        created_at=one.created_at,
    )


def _edge_view(edge: Edge) -> EdgeView:
    return EdgeView(
        run_id=edge.run_id,
        task_id=edge.task_id,
        artifact_id=edge.artifact_id,
        direction=edge.direction.value,
        port=edge.port,
        position=edge.position,
    )


def _download(site: Site, found: Artifact, path: str, *, inline: bool) -> StreamingResponse:
    """The bytes of a file, or of the file at `path` in a folder, checked first and never rendered as ours.

    `inline` is for HTML in a frame of our own pages: a sandbox without scripts, forms and origin.
    """
    if found.content is None:
        raise NotFound(f"artifact {found.name!r} has no content in this site", place=found.uri or None)
    verify(site, found)
    matching = [
        one for one in blob_store(site).entries(found.content) if one.path == path and one.kind is EntryKind.FILE
    ]
    if not matching:
        raise NotFound(f"there is no file {path[:200]!r} in this artifact", remedy="see its /entries")
    is_html = found.type == "system.HTML" or path.endswith((".html", ".htm"))
    name = path.rsplit("/", 1)[-1] or found.name + (".html" if is_html else "")
    try:
        stream = open_blob(site, matching[0].digest)
    except NotFound as problem:
        raise CorruptArtifact("the blob of an artifact is missing", place=matching[0].digest) from problem

    def pieces() -> Iterator[bytes]:
        with stream:
            while piece := stream.read(_PIECE_BYTES):
                yield piece

    shown = {"X-Frame-Options": "SAMEORIGIN"} if inline and is_html else {}
    headers = {
        **_SAFE_HEADERS,
        **shown,
        "Content-Disposition": f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Length": str(matching[0].size_bytes),
        "ETag": f'"{matching[0].digest}"',
    }
    media_type = "text/html; charset=utf-8" if is_html else "application/octet-stream"
    return StreamingResponse(pieces(), media_type=media_type, headers=headers)
