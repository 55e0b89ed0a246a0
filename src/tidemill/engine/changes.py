"""Writing what a worker's turn changed: one transaction, fenced, with everything that belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, Update, bindparam, case, insert, select, update

from tidemill.artifacts import Artifact, Edge, record_edges
from tidemill.artifacts.record import record_prepared
from tidemill.base.events import append_event
from tidemill.base.signing import SigningKey, signing_key
from tidemill.base.site import Site
from tidemill.engine.claims import Guards, demand_claim
from tidemill.engine.graph import Node, RunGraph
from tidemill.engine.model import Failure, State
from tidemill.engine.seals import seal_end, seal_task
from tidemill.engine.store import attempt_rows, metric_rows, run_rows, task_rows

_PROGRESS = (
    "state",
    "cached",
    "cache_key",
    "lock_digest",
    "parameters",
    "input_artifacts",
    "output_parameters",
    "output_artifacts",
    "failure",
    "attempts",
    "started_at",
    "finished_at",
    "generation",
    "seal",
)
_ENDING = ("state", "exit_status", "signal", "max_rss_bytes", "failure", "finished_at")


def _update_of(table: Table, columns: Sequence[str]) -> Update:
    return (
        update(table)
        .where(table.c.namespace_id == bindparam("row_namespace"), table.c.id == bindparam("row_id"))
        .values({name: bindparam(f"new_{name}") for name in columns})
    )


# Built once: each step runs both, and building them took longer than running them.
_UPDATE_TASK = _update_of(task_rows, _PROGRESS)
_UPDATE_ATTEMPT = _update_of(attempt_rows, _ENDING)


@dataclass(slots=True, kw_only=True)
class AttemptRecord:
    """An attempt as it is written; `is_new` until its first write."""

    id: str
    node: Node
    number: int
    seed: int
    log: str
    created_at: datetime
    state: State = State.RUNNING
    exit_status: int | None = None
    signal: int | None = None
    max_rss_bytes: int | None = None
    failure: Failure | None = None
    finished_at: datetime | None = None
    is_new: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """A number as a step wrote it."""

    name: str
    value: float
    step: int = 0


@dataclass(slots=True, kw_only=True)
class Batch:
    """What goes into the next transaction beside the graph's own changes."""

    attempts: list[AttemptRecord] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    metrics: list[tuple[AttemptRecord, MetricPoint]] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    repeated: list[tuple[str, Node]] = field(default_factory=list)
    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to write."""
        return not (self.attempts or self.artifacts or self.edges or self.metrics or self.events or self.repeated)


def write_changes(site: Site, graph: RunGraph, batch: Batch, guards: Guards) -> None:
    """Write and commit; raises `Fenced` (nothing is written) when another worker holds the run by now."""
    if batch.is_empty and not (graph.created or graph.changed or graph.is_changed):
        return
    with site.database.write() as connection:
        demand_claim(connection, graph.claim, guards)
        _write_nodes(connection, site, graph)
        _write_attempts(connection, graph, batch.attempts)
        record_prepared(connection, batch.artifacts)
        record_edges(connection, site, batch.edges, namespace_id=graph.namespace_id, created_by=graph.author)
        _write_metrics(connection, site, graph, batch)
        if graph.is_changed:
            _write_run(connection, site, graph)
        for kind, subject_id, data in batch.events:
            append_event(
                connection,
                site.clock,
                namespace_id=graph.namespace_id,
                kind=kind,
                subject_id=subject_id,
                data=data,
                created_by=graph.author,
            )
    graph.created.clear()
    graph.changed.clear()
    graph.is_changed = False
    for attempt in batch.attempts:
        attempt.is_new = False


def _write_nodes(connection: Connection, site: Site, graph: RunGraph) -> None:
    has_ended = any(node.state.is_final for node in (*graph.created.values(), *graph.changed.values()))
    key = signing_key(site.home) if has_ended else None
    if graph.created:
        connection.execute(insert(task_rows), [_task_row(graph, node, key) for node in graph.created.values()])
    if graph.changed:
        rows = [_task_row(graph, node, key) for node in graph.changed.values()]
        changes = [
            {
                "row_id": row["id"],
                "row_namespace": row["namespace_id"],
                **_prefixed({name: row[name] for name in _PROGRESS}),
            }
            for row in rows
        ]
        connection.execute(_UPDATE_TASK, changes)


def _task_row(graph: RunGraph, node: Node, key: SigningKey | None) -> dict[str, Any]:
    """The row of a node; with `key` that of one that has ended is sealed."""
    row = _fields_of(graph, node)
    sealed = None if key is None or not node.state.is_final else seal_task(key, row, node.out_artifacts)
    return {**row, "seal": sealed}


def _fields_of(graph: RunGraph, node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "namespace_id": graph.namespace_id,
        "run_id": graph.id,
        "parent_id": None if node.parent is None else node.parent.id,
        "path": node.path,
        "name": node.spec.name,
        "display_name": node.spec.display_name[:256],
        "kind": node.kind.value,
        "iteration": node.iteration,
        "created_by": graph.author,
        "created_at": node.created_at,
        **_row(node),
    }


def _prefixed(row: dict[str, Any]) -> dict[str, Any]:
    return {f"new_{name}": value for name, value in row.items()}


def _row(node: Node) -> dict[str, Any]:
    node.generation += 1
    return {
        "state": node.state.value,
        "cached": node.cached,
        "cache_key": node.cache_key,
        "lock_digest": node.lock_digest,
        "parameters": node.parameters,
        "input_artifacts": {name: [one.id for one in found] for name, found in node.artifacts.items()},
        "output_parameters": node.out_parameters,
        "output_artifacts": {name: [one.id for one in made] for name, made in node.out_artifacts.items()},
        "failure": None if node.failure is None else node.failure.to_json(),
        "attempts": node.attempts,
        "started_at": node.started_at,
        "finished_at": node.finished_at,
        "generation": node.generation,
    }


def _write_attempts(connection: Connection, graph: RunGraph, attempts: Sequence[AttemptRecord]) -> None:
    new = [_attempt_row(graph, one) for one in attempts if one.is_new]
    if new:
        connection.execute(insert(attempt_rows), new)
    ended = [
        {
            "row_id": one.id,
            "row_namespace": graph.namespace_id,
            **_prefixed({name: value for name, value in _attempt_row(graph, one).items() if name in _ENDING}),
        }
        for one in attempts
        if not one.is_new
    ]
    if ended:
        connection.execute(_UPDATE_ATTEMPT, ended)


def _attempt_row(graph: RunGraph, one: AttemptRecord) -> dict[str, Any]:
    return {
        "id": one.id,
        "namespace_id": graph.namespace_id,
        "run_id": graph.id,
        "task_id": one.node.id,
        "number": one.number,
        "state": one.state.value,
        "worker_id": graph.claim.worker_id,
        "fencing_token": graph.claim.fencing_token,
        "seed": one.seed,
        "exit_status": one.exit_status,
        "signal": one.signal,
        "max_rss_bytes": one.max_rss_bytes,
        "log": one.log,
        "failure": None if one.failure is None else one.failure.to_json(),
        "finished_at": one.finished_at,
        "created_by": graph.author,
        "created_at": one.created_at,
    }


def _write_metrics(connection: Connection, site: Site, graph: RunGraph, batch: Batch) -> None:
    rows = []
    for attempt, point in batch.metrics:
        special = None if abs(point.value) < float("inf") else repr(float(point.value))
        rows.append(
            {
                "id": site.ids.new(),
                "namespace_id": graph.namespace_id,
                "run_id": graph.id,
                "task_id": attempt.node.id,
                "attempt_id": attempt.id,
                "task_path": attempt.node.path,
                "name": point.name,
                "value": point.value if special is None else None,
                "special": special,
                "step": point.step,
                "provisional": attempt.state is not State.SUCCEEDED,
                "created_by": graph.author,
                "created_at": site.clock.now(),
            }
        )
    if rows:
        connection.execute(insert(metric_rows), rows)
    of_run = metric_rows.c.namespace_id == graph.namespace_id
    if batch.confirmed:
        connection.execute(
            update(metric_rows).where(of_run, metric_rows.c.attempt_id.in_(batch.confirmed)).values(provisional=False)
        )
    for task_id, node in batch.repeated:
        _repeat_metrics(connection, site, graph, task_id, node)


def _repeat_metrics(connection: Connection, site: Site, graph: RunGraph, task_id: str, node: Node) -> None:
    """A cached task has the metrics of the task whose outputs it took, under the attempt that made them."""
    query = select(metric_rows).where(
        metric_rows.c.namespace_id == graph.namespace_id,
        metric_rows.c.task_id == task_id,
        metric_rows.c.provisional.is_(False),
    )
    rows = [
        {**row, "id": site.ids.new(), "run_id": graph.id, "task_id": node.id, "task_path": node.path}
        for row in connection.execute(query.order_by(metric_rows.c.id)).mappings()
    ]
    if rows:
        connection.execute(insert(metric_rows), rows)


def _write_run(connection: Connection, site: Site, graph: RunGraph) -> None:
    graph.generation += 1
    values: dict[str, Any] = {
        "state": graph.state.value,
        "outputs": graph.outputs,
        "failure": None if graph.failure is None else graph.failure.to_json(),
        "notices": graph.notices,
        "engine_faults": graph.engine_faults,
        "started_at": graph.started_at,
        "finished_at": graph.finished_at,
        "generation": run_rows.c.generation + 1,
    }
    if graph.is_over:
        values["claimed_by"] = None
        values["end_seal"] = _end_seal(connection, site, graph)
    else:
        # Somebody may have asked to stop the run since we read it: that is not overwritten.
        asked = run_rows.c.state == State.CANCELING.value
        values["state"] = case((asked, State.CANCELING.value), else_=graph.state.value)
    connection.execute(
        update(run_rows).where(run_rows.c.namespace_id == graph.namespace_id, run_rows.c.id == graph.id).values(values)
    )


def _end_seal(connection: Connection, site: Site, graph: RunGraph) -> str:
    tasks = connection.execute(
        select(task_rows.c.id, task_rows.c.state).where(
            task_rows.c.namespace_id == graph.namespace_id, task_rows.c.run_id == graph.id
        )
    )
    states = {row.id: row.state for row in tasks}
    return seal_end(signing_key(site.home), graph.namespace_id, graph.id, graph.state.value, states)
