"""Routes of a service that is watched: how it is over time, and one window in full."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from tidemill.access import Actor
from tidemill.access.guard import can_read
from tidemill.base.errors import InvalidInput
from tidemill.base.paging import key_of, page_token
from tidemill.base.site import Site
from tidemill.monitoring.alerts.api import AlertView
from tidemill.monitoring.view import get_monitoring, get_window
from tidemill.monitoring.windows.model import Window

Reader = Annotated[Actor, Depends(can_read)]


class StatisticView(BaseModel):
    """A drift statistic; `p_value` when it is a test."""

    value: float
    p_value: float | None


class ProblemView(BaseModel):
    """What is wrong with a share of the rows: vanished, missing, constant, out-of-range, new-category."""

    name: str
    share: float
    p_value: float
    values: list[str]


class ColumnReportView(BaseModel):
    """A column of a window beside its reference: `counts` and `reference` over the same bins.

    Bins are between `edges` (numbers; the outer two are open), or have `labels`. `drifted` is null without a verdict.
    """

    name: str
    kind: str
    datatype: str
    rows: int
    missing: int
    reference_rows: int
    reference_missing: int
    edges: list[float] | None = None
    labels: list[str] | None = None
    reference: list[int]
    counts: list[int]
    min: float | None = None
    max: float | None = None
    statistics: dict[str, StatisticView]
    effect: float | None
    p_value: float | None
    drifted: bool | None
    problems: list[ProblemView]


class RefusalView(BaseModel):
    """Why requests were refused, and how many."""

    error: str
    count: int


class RequestsView(BaseModel):
    """The requests of a window: `rejected` are the caller's fault, `failed` the service's."""

    count: int
    rows: int
    rejected: int
    failed: int
    refusals: list[RefusalView]
    latency_ms: dict[str, float | None]


class SliceView(BaseModel):
    """The metrics of the rows with one value of a column."""

    column: str
    value: str
    rows: int
    metrics: dict[str, float]


class PerformanceView(BaseModel):
    """How right the predictions with a truth were; `baseline` is `metric` at the approval."""

    task: str
    rows: int
    unusable: int
    metrics: dict[str, float]
    metric: str
    baseline: float | None
    slices: list[SliceView]


class FindingView(BaseModel):
    """What the rules found: at its threshold (`breached`), or near it."""

    model_config = ConfigDict(from_attributes=True)

    kind: str
    name: str
    feature: str
    value: float
    threshold: float
    breached: bool


class WindowView(BaseModel):
    """The predictions of a revision in a stretch of time."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    service: str
    environment: str
    revision: str
    revision_id: str
    model_version_id: str
    start: datetime
    end: datetime
    state: str
    records: int
    rows: int
    truths: int
    note: str
    requests: RequestsView
    columns: list[ColumnReportView]
    prediction: ColumnReportView | None
    performance: PerformanceView | None
    judged: list[str]
    findings: list[FindingView]
    computed_at: datetime


class FeedbackCounts(BaseModel):
    """How much people said, and how often each rating from 1 to 5 was given."""

    count: int
    ratings: dict[str, int]


class MonitoringView(BaseModel):
    """How a service is: its rules, its windows newest first, the alerts that go on; counts of truth and feedback."""

    service: str
    environment: str
    rules: dict[str, Any]
    windows: list[WindowView]
    alerts: list[AlertView]
    truth: dict[str, int]
    feedback: FeedbackCounts
    computed_at: datetime | None
    problem: str
    next_page_token: str | None


def routes(site: Site) -> APIRouter:
    """The routes, below `/api/v1`."""
    router = APIRouter(tags=["monitoring"])

    @router.get("/services/{name}/monitoring")
    def monitoring(
        name: str,
        actor: Reader,
        page_size: Annotated[int, Query(gt=0, le=500)] = 24,
        page_token: Annotated[str | None, Query(max_length=400)] = None,
    ) -> MonitoringView:
        found = get_monitoring(site, actor, name, before=_place(key_of(page_token)), limit=page_size + 1)
        shown = found.windows[:page_size]
        rules = {key: value for key, value in found.rules.to_json().items() if key != "schema_version"}
        return MonitoringView(
            service=found.service,
            environment=found.environment,
            rules=rules,
            windows=[window_view(each) for each in shown],
            alerts=[AlertView.model_validate(each) for each in found.alerts],
            truth=found.truth,
            feedback=FeedbackCounts(
                count=sum(found.ratings.values()),
                ratings={str(rating): count for rating, count in found.ratings.items() if rating is not None},
            ),
            computed_at=found.computed_at,
            problem=found.problem,
            next_page_token=_token(shown) if len(found.windows) > page_size else None,
        )

    @router.get("/windows/{window_id}")
    def window(window_id: str, actor: Reader) -> WindowView:
        return window_view(get_window(site, actor, window_id))

    return router


def window_view(window: Window) -> WindowView:
    """A window as the API gives it."""
    names = ("id", "service", "environment", "revision", "revision_id", "model_version_id", "start", "end", "records")
    more = ("rows", "truths", "computed_at")
    return WindowView(
        **{name: getattr(window, name) for name in (*names, *more)},
        state=window.state.value,
        note=window.report["note"],
        requests=RequestsView(**window.report["requests"]),
        columns=[ColumnReportView(**each) for each in window.report.get("columns", [])],
        prediction=_optional(ColumnReportView, window.report.get("prediction")),
        performance=_optional(PerformanceView, window.report.get("performance")),
        judged=list(window.judged),
        findings=[FindingView.model_validate(each) for each in window.findings],
    )


def _optional(kind: Any, value: Any) -> Any:
    return None if value is None else kind(**value)


def _token(shown: tuple[Window, ...]) -> str:
    return page_token(f"{shown[-1].start.isoformat()} {shown[-1].revision_id}")


def _place(key: str | None) -> tuple[datetime, str] | None:
    if key is None:
        return None
    moment, _, revision = key.partition(" ")
    try:
        start = datetime.fromisoformat(moment)
    except ValueError as problem:
        raise InvalidInput("is not a page token of this list", place="page_token") from problem
    if start.tzinfo is None or len(revision) != 36:
        raise InvalidInput("is not a page token of this list", place="page_token")
    return start, revision
