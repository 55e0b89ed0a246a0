"""Routes of the gate: reviews and their decisions, rollback, evidence, the audit chain."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse, Response

from tidemill.access import Actor
from tidemill.access.guard import can_approve, can_operate, can_read, can_write
from tidemill.base.errors import NotFound
from tidemill.base.paging import key_of, page_token
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.gate.approve import approve
from tidemill.gate.approved_pipeline import approved_pipeline
from tidemill.gate.audit import read_audit, verify_audit
from tidemill.gate.decision_api import decision_routes
from tidemill.gate.evidence import evidence_archive
from tidemill.gate.find import get_review, list_reviews
from tidemill.gate.model import AuditEntry, PipelineReviewRequest, Review, ReviewRequest, ReviewState
from tidemill.gate.open_pipeline_review import open_pipeline_review
from tidemill.gate.open_review import open_review
from tidemill.gate.pipeline_difference import pipeline_difference
from tidemill.gate.policy import parse_policy
from tidemill.gate.reject import reject, withdraw
from tidemill.gate.rollback import rollback
from tidemill.gate.statements import in_words
from tidemill.gate.trace import trace_decision
from tidemill.registry import LivePointer

Reader = Annotated[Actor, Depends(can_read)]
Writer = Annotated[Actor, Depends(can_write)]
Approver = Annotated[Actor, Depends(can_approve)]
Operator = Annotated[Actor, Depends(can_operate)]
PageSize = Annotated[int, Query(ge=1, le=1000)]
PageToken = Annotated[str | None, Query(max_length=400)]


class ReviewBody(BaseModel):
    """A review to open; `policy` as in `tidemill.toml`, where none was applied that binds."""

    model_config = ConfigDict(extra="forbid")

    model_version: str = Field(max_length=160, description="an id, or MODEL@NUMBER")
    environment: str = Field(default="production", max_length=63)
    service: str = Field(max_length=63)
    policy: dict[str, Any] = Field(default_factory=dict)


class PipelineReviewBody(BaseModel):
    """A pipeline version to review alone, as a run had it; `policy` as in `tidemill.toml`, where none binds."""

    model_config = ConfigDict(extra="forbid")

    run_id: str = Field(max_length=36)
    environment: str = Field(default="production", max_length=63)
    service: str = Field(max_length=63)
    policy: dict[str, Any] = Field(default_factory=dict)


class ApprovalBody(BaseModel):
    """A yes to the package, or the pipeline version, that the approver saw."""

    model_config = ConfigDict(extra="forbid")

    package_digest: str = Field(max_length=80)


class RejectionBody(BaseModel):
    """A no, and why."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=4000)


class RollbackBody(BaseModel):
    """Which service goes back, and where to: to what was live before unless `to` names a version."""

    model_config = ConfigDict(extra="forbid")

    environment: str = Field(default="production", max_length=63)
    service: str = Field(max_length=63)
    to: str | None = Field(default=None, max_length=160)


class CheckView(BaseModel):
    """A check and what it found."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    state: str
    summary: str
    evidence: dict[str, Any]
    finished_at: datetime | None


class ApprovalView(BaseModel):
    """A signed yes."""

    model_config = ConfigDict(from_attributes=True)

    approver: str
    package_digest: str
    checks_digest: str
    policy_digest: str
    envelope: dict[str, Any]
    created_at: datetime


class PipelineVersionView(BaseModel):
    """What decided the code of a run; `data` are the files that it reads, whose versions may change."""

    model_config = ConfigDict(from_attributes=True)

    project: str
    digest: str
    spec_digest: str
    run_id: str
    author: str
    locks: dict[str, str]
    parameters: dict[str, Any]
    data: list[str]


class ApprovedPipelineView(BaseModel):
    """The pipeline version that people approved last for a project and an environment."""

    model_config = ConfigDict(from_attributes=True)

    project: str
    environment: str
    spec_digest: str
    run_id: str
    review_id: str
    approved_by: list[str]
    approved_at: datetime
    version: PipelineVersionView


class AutomaticView(BaseModel):
    """What the site said where the policy lets it decide: passed, or why people must."""

    model_config = ConfigDict(from_attributes=True)

    passed: bool
    reasons: list[str]
    pipeline_review_id: str | None
    approved_by: list[str]


class ReviewView(BaseModel):
    """A review; `about` says whether a model version asks, or a pipeline version alone.

    `package_digest` is what an approval names: the digest of the package, or of the pipeline version.
    """

    id: str
    about: str
    model_version_id: str | None
    model_version: str
    package_digest: str
    pipeline: PipelineVersionView | None
    environment: str
    service: str
    state: str
    checks_state: str
    checks: list[CheckView]
    approvals: list[ApprovalView]
    approvals_needed: int
    policy: dict[str, Any]
    policy_digest: str
    policy_source: str
    automatic: AutomaticView | None
    automatic_in_words: str | None
    reason: str | None
    opened_by: str
    opened_at: datetime
    closed_by: str | None
    closed_at: datetime | None
    generation: int


class ReviewPage(BaseModel):
    """A page of reviews, newest first."""

    items: list[ReviewView]
    next_page_token: str | None


class MovedView(BaseModel):
    """Where a live pointer stands now."""

    environment: str
    service: str
    model_version_id: str
    previous_version_id: str | None
    generation: int
    moved_by: str
    moved_at: datetime


class AuditView(BaseModel):
    """A line of the audit chain."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    kind: str
    subject_id: str
    data: dict[str, Any]
    person: str
    at: datetime
    previous_digest: str
    digest: str


class AuditPage(BaseModel):
    """A page of the audit chain, oldest first."""

    items: list[AuditView]
    next_page_token: str | None


class AuditVerdict(BaseModel):
    """The chain holds, over so many lines."""

    lines: int


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["gate"])
    _review_routes(router, site)
    _pipeline_routes(router, site)
    _decision_routes(router, site)
    _proof_routes(router, site)
    router.include_router(decision_routes(site))
    return router


def _review_routes(router: APIRouter, site: Site) -> None:
    @router.post("/reviews", status_code=201)
    def open_one(body: ReviewBody, actor: Writer) -> ReviewView:
        request = ReviewRequest(
            model_version_id=body.model_version,
            environment=body.environment,
            service=body.service,
            policy=parse_policy(body.policy),
        )
        return _view(open_review(site, actor, request))

    @router.post("/pipeline-reviews", status_code=201)
    def open_pipeline(body: PipelineReviewBody, actor: Writer) -> ReviewView:
        request = PipelineReviewRequest(
            run_id=body.run_id,
            environment=body.environment,
            service=body.service,
            policy=parse_policy(body.policy),
        )
        return _view(open_pipeline_review(site, actor, request))

    @router.get("/reviews")
    def reviews(
        actor: Reader,
        state: Annotated[list[ReviewState] | None, Query()] = None,
        page_size: PageSize = 100,
        page_token: PageToken = None,
    ) -> ReviewPage:
        found = list_reviews(site, actor, states=tuple(state or ()), before=key_of(page_token), limit=page_size + 1)
        return ReviewPage(
            items=[_view(review) for review in found[:page_size]],
            next_page_token=_token([review.id for review in found], page_size),
        )

    @router.get("/reviews/{review_id}")
    def review(review_id: str, actor: Reader) -> ReviewView:
        return _view(get_review(site, actor, review_id))


def _pipeline_routes(router: APIRouter, site: Site) -> None:
    @router.get("/reviews/{review_id}/pipeline-difference")
    def against_approved(review_id: str, actor: Reader) -> dict[str, Any]:
        return pipeline_difference(site, actor, review_id)

    @router.get("/approved-pipelines/{project}/{environment}")
    def approved(project: str, environment: str, actor: Reader) -> ApprovedPipelineView:
        with site.database.read() as connection:
            found = approved_pipeline(connection, site, actor.namespace_id, project, environment)
        if found is None:
            raise NotFound(
                f"no pipeline version of {project[:63]} is approved for {environment[:63]}",
                remedy="tidemill review open --pipeline",
            )
        return ApprovedPipelineView.model_validate(found)


def _decision_routes(router: APIRouter, site: Site) -> None:
    @router.post("/reviews/{review_id}/approve")
    def approve_one(review_id: str, body: ApprovalBody, actor: Annotated[Actor, Depends(can_read)]) -> ReviewView:
        # can_read here: `approve` itself refuses and records whoever may not approve
        return _view(approve(site, actor, review_id, body.package_digest))

    @router.post("/reviews/{review_id}/reject")
    def reject_one(review_id: str, body: RejectionBody, actor: Approver) -> ReviewView:
        return _view(reject(site, actor, review_id, body.reason))

    @router.post("/reviews/{review_id}/withdraw")
    def withdraw_one(review_id: str, actor: Writer) -> ReviewView:
        return _view(withdraw(site, actor, review_id))

    @router.post("/rollbacks", status_code=201)
    def roll_back(body: RollbackBody, actor: Operator) -> MovedView:
        return _moved(rollback(site, actor, environment=body.environment, service=body.service, to=body.to))


def _proof_routes(router: APIRouter, site: Site) -> None:
    @router.get("/reviews/{review_id}/evidence", response_class=Response)
    def evidence(review_id: str, actor: Reader) -> Response:
        packed = evidence_archive(site, actor, review_id)
        headers = {
            "Content-Disposition": f'attachment; filename="review-{review_id[:36]}.zip"',
            "X-Content-Type-Options": "nosniff",
        }
        return Response(packed, media_type="application/zip", headers=headers)

    @router.get("/model-versions/{reference}/trace")
    def trace(reference: str, actor: Reader) -> dict[str, Any]:
        return trace_decision(site, actor, reference)

    @router.get("/public-key", response_class=PlainTextResponse)
    def public(actor: Reader) -> PlainTextResponse:
        return PlainTextResponse(signing_key(site.home).public.pem, media_type="application/x-pem-file")

    @router.get("/audit")
    def audit(actor: Reader, page_size: PageSize = 100, page_token: PageToken = None) -> AuditPage:
        after = key_of(page_token)
        found = read_audit(site, actor, after=int(after) if after and after.isdigit() else 0, limit=page_size + 1)
        return AuditPage(
            items=[_entry(entry) for entry in found[:page_size]],
            next_page_token=_token([str(entry.number) for entry in found], page_size),
        )

    @router.get("/audit/verification")
    def verification(actor: Reader) -> AuditVerdict:
        return AuditVerdict(lines=verify_audit(site, actor))


def _view(review: Review) -> ReviewView:
    return ReviewView(
        id=review.id,
        about=review.subject.value,
        model_version_id=review.model_version_id,
        model_version=review.version_label,
        package_digest=review.package_digest,
        pipeline=None if review.pipeline is None else PipelineVersionView.model_validate(review.pipeline),
        environment=review.environment,
        service=review.service,
        state=review.state.value,
        checks_state=review.checks_state.value,
        checks=[CheckView.model_validate(check) for check in review.checks],
        approvals=[ApprovalView.model_validate(approval) for approval in review.approvals],
        approvals_needed=review.policy.approvals,
        policy=review.policy.to_json(),
        policy_digest=review.policy_digest,
        policy_source=review.policy_source,
        automatic=None if review.automatic is None else AutomaticView.model_validate(review.automatic),
        automatic_in_words=in_words(review),
        reason=review.reason,
        opened_by=review.opened_by,
        opened_at=review.opened_at,
        closed_by=review.closed_by,
        closed_at=review.closed_at,
        generation=review.generation,
    )


def _moved(pointer: LivePointer) -> MovedView:
    return MovedView(**{name: getattr(pointer, name) for name in MovedView.model_fields})


def _entry(entry: AuditEntry) -> AuditView:
    return AuditView.model_validate(entry)


def _token(keys: list[str], page_size: int) -> str | None:
    return page_token(keys[page_size - 1]) if len(keys) > page_size else None
