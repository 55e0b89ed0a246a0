"""Routes of runs: list, get, tasks, attempts, metrics, logs, submit, cancel, resume."""

from __future__ import annotations

import codecs
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from tidemill.access.guard import can_read, can_write
from tidemill.access.model import Actor
from tidemill.base.ballast import demand_space
from tidemill.base.site import Site
from tidemill.engine.cancel import cancel_run
from tidemill.engine.experiments import Experiment, list_experiments
from tidemill.engine.find import get_run, last_metrics, list_attempts, list_metrics, list_runs, list_tasks
from tidemill.engine.level import Level, run_level, state_of
from tidemill.engine.logs import MAX_PIECE_BYTES, read_log
from tidemill.engine.model import Attempt, Failure, LogPiece, Metric, Run, RunRequest, Task
from tidemill.engine.resume import resume_run
from tidemill.engine.submit import submit_run
from tidemill.pipelines import load_pipeline

MAX_SPEC_CHARACTERS = 8 << 20


class FailureView(BaseModel):
    """Why a run or task failed."""

    message: str
    error: str | None
    task: str | None
    notebook: str | None
    cell: str | None
    line: int | None
    traceback: str | None
    log_tail: list[str]
    remedy: str | None


class RunView(BaseModel):
    """A run."""

    id: str
    name: str
    experiment: str
    state: str
    pipeline_name: str
    spec_digest: str
    parameters: dict[str, Any]
    caching: bool
    origin: dict[str, Any]
    outputs: dict[str, Any]
    failure: FailureView | None
    notices: list[str]
    trace_id: str
    author: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    generation: int
    metrics: dict[str, float | str] | None = None


class RunQuery(BaseModel):
    """Which runs are wanted, newest first; `with_metrics` adds the last value of each metric."""

    state: str | None = None
    experiment: str | None = None
    pipeline_name: str | None = None
    spec_digest: str | None = None
    page_size: int = Field(default=100, ge=1, le=1000)
    page_token: str | None = None
    with_metrics: bool = False


class RunPage(BaseModel):
    """A page of runs, newest first."""

    items: list[RunView]
    next_page_token: str | None


class TaskView(BaseModel):
    """A task instance of a run."""

    id: str
    parent_id: str | None
    path: str
    name: str
    display_name: str
    kind: str
    state: str
    iteration: int | None
    cached: bool
    lock_digest: str | None
    parameters: dict[str, Any]
    output_parameters: dict[str, Any]
    output_artifacts: dict[str, list[str]]
    failure: FailureView | None
    attempts: int
    seconds: float | None
    started_at: datetime | None
    finished_at: datetime | None


class AttemptView(BaseModel):
    """One try of a task."""

    id: str
    task_id: str
    number: int
    state: str
    seed: int
    exit_status: int | None
    signal: int | None
    max_rss_bytes: int | None
    failure: FailureView | None
    created_at: datetime
    finished_at: datetime | None


class MetricView(BaseModel):
    """A number an attempt reported; NaN and infinities are text."""

    task: str
    task_id: str
    attempt_id: str
    name: str
    value: float | str
    step: int
    provisional: bool
    recorded_at: datetime


class LogView(BaseModel):
    """A part of a log; ask again from `next_offset_bytes` until `is_complete`."""

    text: str
    next_offset_bytes: int
    is_complete: bool


class ExperimentView(BaseModel):
    """A group of runs; `metrics` are those of its newest run."""

    name: str
    runs: int
    failed: int
    newest_run_id: str
    newest_at: datetime
    metrics: dict[str, float | str]


class NodeView(BaseModel):
    """A task in the graph of its level; `task` is null while it has not been made, `inside` counts states within it."""

    name: str
    display_name: str
    state: str
    task: TaskView | None
    inside: dict[str, int]


class EdgeView(BaseModel):
    """`target` waits for `source`; both are names of nodes."""

    source: str
    target: str


class LevelView(BaseModel):
    """One level of a run as a graph; `way` are the tasks that lead to it, outermost first."""

    nodes: list[NodeView]
    edges: list[EdgeView]
    way: list[TaskView]


class RunSubmission(BaseModel):
    """A pipeline to run: the text of a PipelineSpec (YAML or JSON) and its parameters."""

    spec: str = Field(min_length=1, max_length=MAX_SPEC_CHARACTERS)
    parameters: dict[str, Any] = Field(default_factory=dict)
    artifacts: dict[str, str] = Field(default_factory=dict)
    name: str | None = Field(default=None, min_length=1, max_length=256)
    experiment: str = Field(default="Default", min_length=1, max_length=256)
    caching: bool = True
    parallelism: int | None = Field(default=None, ge=1, le=1000)
    origin: dict[str, Any] = Field(default_factory=dict)


def routes(site: Site, *, free_space_floor_bytes: int = 0) -> APIRouter:
    """The routes, below `/api/v1`; below the floor of free space no run is taken."""
    router = APIRouter(prefix="/runs", tags=["runs"])
    _changing_routes(router, site, free_space_floor_bytes)
    _reading_routes(router, site)
    both = APIRouter(tags=["runs"])
    both.include_router(router)

    @both.get("/experiments")
    def experiments(actor: Annotated[Actor, Depends(can_read)]) -> list[ExperimentView]:
        return [_experiment_view(one) for one in list_experiments(site, actor)]

    return both


def _changing_routes(router: APIRouter, site: Site, free_space_floor_bytes: int) -> None:
    @router.post("", status_code=201)
    def submit(body: RunSubmission, actor: Annotated[Actor, Depends(can_write)]) -> RunView:
        demand_space(site.home, free_space_floor_bytes)
        request = RunRequest(
            pipeline=load_pipeline(body.spec, place="spec"),
            parameters=body.parameters,
            artifacts=body.artifacts,
            name=body.name,
            experiment=body.experiment,
            caching=body.caching,
            parallelism=body.parallelism,
            origin=body.origin,
        )
        return run_view(submit_run(site, actor, request))

    @router.post("/{run_id}/cancel")
    def cancel(run_id: str, actor: Annotated[Actor, Depends(can_write)]) -> RunView:
        return run_view(cancel_run(site, actor, run_id))

    @router.post("/{run_id}/resume")
    def resume(run_id: str, actor: Annotated[Actor, Depends(can_write)]) -> RunView:
        return run_view(resume_run(site, actor, run_id))


def _reading_routes(router: APIRouter, site: Site) -> None:
    @router.get("")
    def listing(
        actor: Annotated[Actor, Depends(can_read)],
        asked: Annotated[RunQuery, Query()],
    ) -> RunPage:
        filters = asked.model_dump(exclude={"page_size", "page_token", "with_metrics"}, exclude_none=True)
        page = list_runs(site, actor, filters=filters, page_size=asked.page_size, page_token=asked.page_token)
        views = [run_view(run) for run in page.items]
        if asked.with_metrics:
            found = last_metrics(site, actor, [run.id for run in page.items])
            views = [view.model_copy(update={"metrics": _sendable(found.get(view.id, {}))}) for view in views]
        return RunPage(items=views, next_page_token=page.next_page_token)

    @router.get("/{run_id}")
    def get(run_id: str, actor: Annotated[Actor, Depends(can_read)]) -> RunView:
        return run_view(get_run(site, actor, run_id))

    @router.get("/{run_id}/tasks")
    def tasks(run_id: str, actor: Annotated[Actor, Depends(can_read)]) -> list[TaskView]:
        return [task_view(task) for task in list_tasks(site, actor, run_id)]

    @router.get("/{run_id}/graph")
    def graph(run_id: str, actor: Annotated[Actor, Depends(can_read)], inside: str | None = None) -> LevelView:
        return _level_view(run_level(site, actor, run_id, inside))

    @router.get("/{run_id}/attempts")
    def attempts(run_id: str, actor: Annotated[Actor, Depends(can_read)]) -> list[AttemptView]:
        return [_attempt_view(one) for one in list_attempts(site, actor, run_id)]

    @router.get("/{run_id}/metrics")
    def metrics(run_id: str, actor: Annotated[Actor, Depends(can_read)]) -> list[MetricView]:
        return [_metric_view(one) for one in list_metrics(site, actor, run_id)]

    @router.get("/{run_id}/logs")
    def logs(
        run_id: str,
        actor: Annotated[Actor, Depends(can_read)],
        task: str,
        offset_bytes: Annotated[int, Query(ge=0)] = 0,
        limit_bytes: Annotated[int, Query(ge=4, le=MAX_PIECE_BYTES)] = MAX_PIECE_BYTES,
    ) -> LogView:
        piece = read_log(site, actor, run_id, task, offset_bytes=offset_bytes, limit_bytes=limit_bytes)
        return _log_view(piece)


def run_view(run: Run) -> RunView:
    """A run as the API shows it."""
    names = [
        name
        for name in RunView.model_fields
        if name not in {"state", "failure", "notices", "parameters", "outputs", "metrics"}
    ]
    return RunView(
        state=run.state.value,
        failure=_failure_view(run.failure),
        notices=list(run.notices),
        parameters=_sendable(run.parameters),
        outputs=_sendable(run.outputs),
        **{name: getattr(run, name) for name in names},
    )


def task_view(task: Task) -> TaskView:
    """A task as the API shows it."""
    special = {"kind", "state", "failure", "output_artifacts", "parameters", "output_parameters"}
    return TaskView(
        kind=task.kind.value,
        state=task.state.value,
        failure=_failure_view(task.failure),
        output_artifacts={name: list(ids) for name, ids in task.output_artifacts.items()},
        parameters=_sendable(task.parameters),
        output_parameters=_sendable(task.output_parameters),
        **{name: getattr(task, name) for name in TaskView.model_fields if name not in special},
    )


def _level_view(level: Level) -> LevelView:
    nodes = [
        NodeView(
            name=node.name,
            display_name=node.display_name,
            state=state_of(node).value,
            task=None if node.task is None else task_view(node.task),
            inside=dict(node.inside),
        )
        for node in level.nodes
    ]
    edges = [EdgeView(source=source, target=target) for source, target in level.edges]
    return LevelView(nodes=nodes, edges=edges, way=[task_view(task) for task in level.way])


def _experiment_view(one: Experiment) -> ExperimentView:
    names = [name for name in ExperimentView.model_fields if name != "metrics"]
    return ExperimentView(metrics=_sendable(dict(one.metrics)), **{name: getattr(one, name) for name in names})


def _attempt_view(one: Attempt) -> AttemptView:
    names = [name for name in AttemptView.model_fields if name not in {"state", "failure"}]
    return AttemptView(
        state=one.state.value,
        failure=_failure_view(one.failure),
        **{name: getattr(one, name) for name in names},
    )


def _metric_view(one: Metric) -> MetricView:
    names = [name for name in MetricView.model_fields if name != "value"]
    return MetricView(value=_sendable(one.value), **{name: getattr(one, name) for name in names})


def _failure_view(failure: Failure | None) -> FailureView | None:
    if failure is None:
        return None
    names = [name for name in FailureView.model_fields if name != "log_tail"]
    return FailureView(log_tail=list(failure.log_tail), **{name: getattr(failure, name) for name in names})


def _sendable(value: Any) -> Any:
    """JSON has no NaN and no infinities: they are sent as text."""
    if isinstance(value, float) and not abs(value) < float("inf"):
        return repr(value)
    if isinstance(value, dict):
        return {key: _sendable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_sendable(inner) for inner in value]
    return value


def _log_view(piece: LogPiece) -> LogView:
    """The piece as text; a character whose bytes are not all there yet is left for the next piece."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(piece.data, final=piece.is_complete)
    left = 0 if piece.is_complete else len(decoder.getstate()[0])
    return LogView(text=text, next_offset_bytes=piece.next_offset_bytes - left, is_complete=piece.is_complete)
