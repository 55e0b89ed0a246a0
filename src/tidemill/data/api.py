"""Routes of data: the dataset versions that this site has seen."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from tidemill.access.guard import can_read
from tidemill.access.model import Actor
from tidemill.base.site import Site
from tidemill.data.model import DatasetVersion
from tidemill.data.versions import dataset_version, list_versions


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


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["data"])

    @router.get("/data/versions")
    def listing(
        actor: Annotated[Actor, Depends(can_read)],
        path: str | None = None,
        page_size: Annotated[int, Query(ge=1, le=1000)] = 100,
        page_token: str | None = None,
    ) -> DatasetVersionPage:
        page = list_versions(site, actor, path=path, page_size=page_size, token=page_token)
        return DatasetVersionPage(items=[_view(one) for one in page.items], next_page_token=page.next_page_token)

    @router.get("/data/versions/{version_id}")
    def one(version_id: str, actor: Annotated[Actor, Depends(can_read)]) -> DatasetVersionView:
        return _view(dataset_version(site, actor, version_id))

    return router


def _view(version: DatasetVersion) -> DatasetVersionView:
    return DatasetVersionView(**{name: getattr(version, name) for name in DatasetVersionView.model_fields})
