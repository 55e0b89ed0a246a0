"""Routes of data: the dataset versions that this site has seen, and data taken into the store for a run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect, Request

from tidemill.access.guard import can_read, can_write
from tidemill.access.model import Actor
from tidemill.artifacts.api import ArtifactView, view
from tidemill.artifacts.model import ContentKind
from tidemill.artifacts.pack import FILE_TYPE, FOLDER_TYPE, PIECE_BYTES
from tidemill.base.errors import InvalidInput
from tidemill.base.site import Site
from tidemill.data.model import DataOffer, DatasetVersion, SeenVersion
from tidemill.data.record import record_version
from tidemill.data.take import Limits, Upload, known_artifact
from tidemill.data.versions import dataset_version, list_versions

UPLOADS_ROUTE = "/data/uploads"
_KINDS = {FILE_TYPE: ContentKind.FILE, FOLDER_TYPE: ContentKind.TREE}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {"requestBody": {"required": True, "content": {FILE_TYPE: _BINARY, FOLDER_TYPE: _BINARY}}}
_HASH = r"^md5:[0-9a-f]{32}(\.dir)?$"
_DIGEST = r"^sha256:[0-9a-f]{64}$"
Digest = Annotated[str, Field(pattern=_DIGEST)]
Reader = Annotated[Actor, Depends(can_read)]
Writer = Annotated[Actor, Depends(can_write)]


class DatasetVersionBody(BaseModel):
    """A version as a working folder shows it; paths are in its repository."""

    model_config = ConfigDict(extra="forbid")

    repository: str = Field(min_length=1, max_length=1024)
    path: str = Field(min_length=1, max_length=1024)
    dvc_file: str = Field(min_length=1, max_length=1024)
    hash: str = Field(pattern=_HASH)
    size_bytes: int = Field(ge=0, lt=2**63)
    file_count: int = Field(ge=0, lt=2**63)
    row_count: int | None = Field(default=None, ge=0, lt=2**63)
    git_commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{40,64}$")


class DatasetVersionView(BaseModel):
    """A content of a dataset, as DVC names it."""

    id: str
    repository: str
    path: str
    dvc_file: str
    hash: str
    size_bytes: int
    file_count: int
    row_count: int | None
    git_commit: str | None
    created_by: str
    created_at: datetime


class DatasetVersionPage(BaseModel):
    """A page of versions, newest first."""

    items: list[DatasetVersionView]
    next_page_token: str | None


class DataOfferBody(BaseModel):
    """Data that a run shall read, by its digest; `version_id` names the dataset version that it is of."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, max_length=256)
    digest: Digest
    kind: ContentKind
    version_id: str | None = Field(default=None, max_length=64)


class TakenView(BaseModel):
    """The artifact of an offer; without one the bytes have to be uploaded."""

    artifact: ArtifactView | None


def routes(site: Site, limits: Limits) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["data"])
    _version_routes(router, site)
    _artifact_routes(router, site, limits)
    return router


def _version_routes(router: APIRouter, site: Site) -> None:
    @router.get("/data/versions")
    def listing(
        actor: Reader,
        repository: str | None = None,
        path: str | None = None,
        hash: str | None = None,
        page_size: Annotated[int, Query(ge=1, le=1000)] = 100,
        page_token: str | None = None,
    ) -> DatasetVersionPage:
        asked = {"repository": repository, "path": path, "hash": hash}
        filters = {name: value for name, value in asked.items() if value is not None}
        page = list_versions(site, actor, filters=filters, page_size=page_size, token=page_token)
        return DatasetVersionPage(items=[_view(one) for one in page.items], next_page_token=page.next_page_token)

    @router.post("/data/versions", status_code=201)
    def record(body: DatasetVersionBody, actor: Writer) -> DatasetVersionView:
        return _view(record_version(site, actor, SeenVersion(**body.model_dump())))

    @router.get("/data/versions/{version_id}")
    def one(version_id: str, actor: Reader) -> DatasetVersionView:
        return _view(dataset_version(site, actor, version_id))


def _artifact_routes(router: APIRouter, site: Site, limits: Limits) -> None:
    @router.post("/data/offers")
    def offer(body: DataOfferBody, actor: Writer) -> TakenView:
        found = known_artifact(site, actor, DataOffer(**body.model_dump()))
        return TakenView(artifact=None if found is None else view(found))

    @router.post(UPLOADS_ROUTE, status_code=201, openapi_extra=_BODY)
    async def upload(
        request: Request,
        actor: Writer,
        path: Annotated[str, Query(min_length=1, max_length=256)],
        digest: Annotated[str, Query(pattern=_DIGEST)],
        version_id: Annotated[str | None, Query(max_length=64)] = None,
    ) -> ArtifactView:
        offered = DataOffer(path=path, digest=digest, kind=_kind(request), version_id=version_id)
        length = _length(request)
        under_way = await to_thread.run_sync(lambda: Upload(site, actor, offered, limits, length_bytes=length))
        try:
            async for piece in _pieces(request):
                await to_thread.run_sync(under_way.feed, piece)
            return view(await to_thread.run_sync(under_way.finish))
        except ClientDisconnect as problem:
            raise InvalidInput("the upload was broken off", place="upload", remedy="send it again") from problem
        finally:
            with CancelScope(shield=True):  # also when the server stops in the middle of it
                await to_thread.run_sync(under_way.close)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces that are worth a thread's while; never more of it in memory than one."""
    gathered = bytearray()
    async for some in request.stream():
        gathered += some
        if len(gathered) >= PIECE_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _kind(request: Request) -> ContentKind:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _KINDS:
        raise InvalidInput(
            f"cannot take {media_type[:80]!r}",
            place="header Content-Type",
            remedy=f"send a file as {FILE_TYPE}, a folder as {FOLDER_TYPE}",
        )
    return _KINDS[media_type]


def _length(request: Request) -> int | None:
    told = request.headers.get("content-length")
    if told is None:
        return None
    if not told.isascii() or not told.isdigit():
        raise InvalidInput("is no number of bytes", place="header Content-Length")
    return int(told)


def _view(version: DatasetVersion) -> DatasetVersionView:
    fields: dict[str, Any] = {name: getattr(version, name) for name in DatasetVersionView.model_fields}
    return DatasetVersionView(**fields)
