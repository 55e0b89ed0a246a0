"""Routes of the registry: models, versions, differences, live pointers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from tidemill.access import Actor
from tidemill.access.guard import can_operate, can_read, can_write
from tidemill.base.errors import InvalidInput
from tidemill.base.paging import key_of, page_token
from tidemill.base.site import Site
from tidemill.registry.diff import diff_versions
from tidemill.registry.find import get_version, list_models, list_versions
from tidemill.registry.model import LivePointer, Model, ModelVersion, RegisterRequest, VersionDifference
from tidemill.registry.pointer import live_pointers
from tidemill.registry.register import register_version
from tidemill.registry.retire import retire_version

Reader = Annotated[Actor, Depends(can_read)]
Writer = Annotated[Actor, Depends(can_write)]
Operator = Annotated[Actor, Depends(can_operate)]
PageSize = Annotated[int, Query(ge=1, le=1000)]
PageToken = Annotated[str | None, Query(max_length=400)]


class ModelView(BaseModel):
    """A model and how many versions it has."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    versions: int
    created_by: str
    created_at: datetime


class VersionView(BaseModel):
    """A model version."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    label: str
    model: str
    number: int
    state: str
    package_digest: str
    package_artifact_id: str
    run_id: str
    lock_digest: str
    spec_digest: str
    signature: dict[str, Any]
    metrics: dict[str, float]
    parameters: dict[str, Any]
    data_versions: dict[str, str]
    code_commit: str | None
    author: str
    run_author: str
    created_by: str
    created_at: datetime
    generation: int


class RegisterBody(BaseModel):
    """What to make a version of."""

    model_config = ConfigDict(extra="forbid")

    run_id: str = Field(max_length=64)
    model_output: str = Field(max_length=400)
    sample_output: str = Field(max_length=400)
    profile_output: str | None = Field(default=None, max_length=400)
    metrics: dict[str, float] = Field(default_factory=dict)


class DifferenceView(BaseModel):
    """What differs between two versions; each value is a pair: old, new."""

    model_config = ConfigDict(from_attributes=True)

    old: str
    new: str
    parameters: dict[str, tuple[Any, Any]]
    metrics: dict[str, tuple[float | None, float | None]]
    data_versions: dict[str, tuple[str | None, str | None]]
    lock_digest: tuple[str, str] | None
    spec_digest: tuple[str, str] | None
    code_commit: tuple[str | None, str | None] | None


class PointerView(BaseModel):
    """What a service of an environment answers with."""

    model_config = ConfigDict(from_attributes=True)

    environment: str
    service: str
    model_version_id: str
    previous_version_id: str | None
    review_id: str
    generation: int
    moved_by: str
    moved_at: datetime


class ModelPage(BaseModel):
    """A page of models, by name."""

    items: list[ModelView]
    next_page_token: str | None


class VersionPage(BaseModel):
    """A page of versions, newest first."""

    items: list[VersionView]
    next_page_token: str | None


class PointerList(BaseModel):
    """Every live pointer of the namespace."""

    items: list[PointerView]
    next_page_token: None = None


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["registry"])

    @router.get("/models")
    def models(actor: Reader, page_size: PageSize = 100, page_token: PageToken = None) -> ModelPage:
        found = list_models(site, actor, after=key_of(page_token) or "", limit=page_size + 1)
        return ModelPage(
            items=[_model(one) for one in found[:page_size]],
            next_page_token=_token(found, page_size, lambda one: one.name),
        )

    @router.get("/models/{model}/versions")
    def versions(model: str, actor: Reader, page_size: PageSize = 100, page_token: PageToken = None) -> VersionPage:
        found = list_versions(site, actor, model, before=_number(key_of(page_token)), limit=page_size + 1)
        return VersionPage(
            items=[_version(one) for one in found[:page_size]],
            next_page_token=_token(found, page_size, lambda one: str(one.number)),
        )

    @router.post("/models/{model}/versions", status_code=201)
    def register(model: str, body: RegisterBody, actor: Writer) -> VersionView:
        return _version(register_version(site, actor, RegisterRequest(model=model, **body.model_dump())))

    @router.get("/model-versions/{reference}")
    def version(reference: str, actor: Reader) -> VersionView:
        return _version(get_version(site, actor, reference))

    @router.post("/model-versions/{reference}/retire")
    def retire(reference: str, actor: Operator) -> VersionView:
        return _version(retire_version(site, actor, reference))

    @router.get("/model-differences")
    def difference(old: str, new: str, actor: Reader) -> DifferenceView:
        return _difference(diff_versions(site, actor, old, new))

    @router.get("/live-pointers")
    def pointers(actor: Reader) -> PointerList:
        return PointerList(items=[_pointer(one) for one in live_pointers(site, actor.namespace_id)])

    return router


def _model(model: Model) -> ModelView:
    return ModelView.model_validate(model)


def _version(version: ModelVersion) -> VersionView:
    return VersionView.model_validate(version)


def _difference(difference: VersionDifference) -> DifferenceView:
    return DifferenceView.model_validate(difference)


def _pointer(pointer: LivePointer) -> PointerView:
    return PointerView.model_validate(pointer)


def _token(found: list[Any], page_size: int, key: Any) -> str | None:
    return page_token(key(found[page_size - 1])) if len(found) > page_size else None


def _number(key: str | None) -> int | None:
    if key is None:
        return None
    if not key.isascii() or not key.isdigit() or len(key) > 9:
        raise InvalidInput("is not a page token of this list", place="page_token")
    return int(key)
