"""Routes of feedback; whoever may read a service may say what they think of its predictions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from tidemill.access import Actor
from tidemill.access.guard import can_read
from tidemill.base.paging import key_of, page_token
from tidemill.base.site import Site
from tidemill.monitoring.feedback import store
from tidemill.monitoring.feedback.leave import leave_feedback
from tidemill.monitoring.feedback.model import HIGHEST, LOWEST, Feedback, FeedbackRequest
from tidemill.monitoring.truth.api import Value
from tidemill.serving import get_service

Reader = Annotated[Actor, Depends(can_read)]


class FeedbackBody(BaseModel):
    """What somebody says of a predicted row; at least one of rating, comment and value."""

    model_config = ConfigDict(extra="forbid")

    prediction_id: str = Field(max_length=64)
    row: int = Field(default=0, ge=0, le=1_000_000)
    rating: int | None = Field(default=None, ge=LOWEST, le=HIGHEST)
    comment: str = Field(default="", max_length=10_000)
    value: Value | None = Field(default=None, description="what it should have been, in the model's own unit")


class FeedbackView(BaseModel):
    """What one person said of a predicted row."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    prediction_id: str
    row: int
    rating: int | None
    comment: str
    value: Value | None
    created_by: str
    created_at: datetime


class FeedbackPage(BaseModel):
    """Some feedback, newest first."""

    items: list[FeedbackView]
    next_page_token: str | None


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["monitoring"])

    @router.post("/services/{name}/feedback", status_code=201)
    def leave(name: str, body: FeedbackBody, actor: Reader) -> FeedbackView:
        return _view(leave_feedback(site, actor, name, FeedbackRequest(**body.model_dump())))

    @router.get("/services/{name}/feedback")
    def listing(
        name: str,
        actor: Reader,
        page_size: Annotated[int, Query(gt=0, le=500)] = 100,
        page_token: Annotated[str | None, Query(max_length=400)] = None,
    ) -> FeedbackPage:
        service = get_service(site, actor, name)
        with site.database.read() as connection:
            found = store.feedback_of(
                connection, actor.namespace_id, service.id, before=key_of(page_token), limit=page_size + 1
            )
        items = [_view(each) for each in found[:page_size]]
        return FeedbackPage(items=items, next_page_token=_token(items) if len(found) > page_size else None)

    return router


def _view(feedback: Feedback) -> FeedbackView:
    return FeedbackView.model_validate(feedback)


def _token(items: list[FeedbackView]) -> str:
    return page_token(items[-1].id)
