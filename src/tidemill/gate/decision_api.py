"""The route that tells who decided a review."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from tidemill.access import Actor
from tidemill.access.guard import can_read
from tidemill.base.site import Site
from tidemill.gate.tell_decision import tell_decision

Reader = Annotated[Actor, Depends(can_read)]


class BehindItView(BaseModel):
    """The pipeline version by which a review passed without a person, and who approved it and the policy."""

    model_config = ConfigDict(from_attributes=True)

    project: str
    run_id: str
    review_id: str
    version_label: str
    approved_by: list[str]
    approved_at: datetime


class DecisionView(BaseModel):
    """Who let a review pass, proven from what was signed; `problem` says what does not prove, then nobody is named."""

    model_config = ConfigDict(from_attributes=True)

    review_id: str
    is_automatic: bool
    people: list[str]
    at: datetime | None
    policy_digest: str
    behind: BehindItView | None
    problem: str | None


def decision_routes(site: Site) -> APIRouter:
    """The route, below `/api/v1`."""
    router = APIRouter(tags=["gate"])

    @router.get("/reviews/{review_id}/decision")
    def decision(review_id: str, actor: Reader) -> DecisionView:
        return DecisionView.model_validate(tell_decision(site, actor, review_id))

    return router
