"""Nouns from rows, and the queries that find them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from tidemill.engine.model import Attempt, Failure, Metric, Run, State, Task, TaskKind
from tidemill.engine.store import attempt_rows, metric_rows, run_rows, task_rows


def failure_of(value: dict[str, Any] | None) -> Failure | None:
    """The failure in a JSON column."""
    if value is None:
        return None
    known = {key: value.get(key) for key in ("error", "task", "notebook", "cell", "line", "traceback", "remedy")}
    return Failure(message=value["message"], log_tail=tuple(value.get("log_tail", ())), **known)


def runs_by_state(connection: Connection, namespace_id: str) -> dict[State, int]:
    """How many runs of a namespace are in each state."""
    columns = (run_rows.c.state, func.count())
    query = select(*columns).where(run_rows.c.namespace_id == namespace_id).group_by(run_rows.c.state)
    return {State(row[0]): int(row[1]) for row in connection.execute(query)}


def run_of(row: RowMapping) -> Run:
    """The run in a row."""
    same = ("id", "namespace_id", "name", "experiment", "pipeline_name", "spec_digest", "parameters", "caching")
    more = ("origin", "outputs", "trace_id", "created_at", "started_at", "finished_at", "generation")
    return Run(
        state=State(row["state"]),
        failure=failure_of(row["failure"]),
        notices=tuple(row["notices"]),
        author=row["created_by"],
        **{name: row[name] for name in (*same, *more)},
    )


def task_of(row: RowMapping) -> Task:
    """The task in a row."""
    same = ("id", "namespace_id", "run_id", "parent_id", "path", "name", "display_name", "iteration", "cached")
    more = ("lock_digest", "parameters", "output_parameters", "attempts", "created_at", "started_at", "finished_at")
    return Task(
        kind=TaskKind(row["kind"]),
        state=State(row["state"]),
        output_artifacts={name: tuple(ids) for name, ids in row["output_artifacts"].items()},
        failure=failure_of(row["failure"]),
        generation=row["generation"],
        **{name: row[name] for name in (*same, *more)},
    )


def attempt_of(row: RowMapping) -> Attempt:
    """The attempt in a row."""
    same = ("id", "run_id", "task_id", "number", "seed", "exit_status", "signal", "max_rss_bytes", "log")
    return Attempt(
        state=State(row["state"]),
        failure=failure_of(row["failure"]),
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        **{name: row[name] for name in same},
    )


def metric_of(row: RowMapping) -> Metric:
    """The metric in a row."""
    return Metric(
        run_id=row["run_id"],
        task_id=row["task_id"],
        attempt_id=row["attempt_id"],
        task=row["task_path"],
        name=row["name"],
        value=row["value"] if row["special"] is None else float(row["special"]),
        step=row["step"],
        provisional=row["provisional"],
        recorded_at=row["created_at"],
    )


def run_row(connection: Connection, namespace_id: str, run_id: str) -> RowMapping | None:
    """A run's row."""
    query = select(run_rows).where(run_rows.c.namespace_id == namespace_id, run_rows.c.id == run_id)
    return connection.execute(query).mappings().one_or_none()


def runs_page(
    connection: Connection, namespace_id: str, filters: dict[str, Any], *, after: str | None, limit: int
) -> list[Run]:
    """Runs, newest first, older than the id `after`."""
    query = select(run_rows).where(run_rows.c.namespace_id == namespace_id)
    for column, value in filters.items():
        query = query.where(run_rows.c[column] == value)
    if after is not None:
        query = query.where(run_rows.c.id < after)
    found = connection.execute(query.order_by(run_rows.c.id.desc()).limit(limit)).mappings()
    return [run_of(row) for row in found]


def task_mappings(connection: Connection, namespace_id: str, run_id: str) -> Sequence[RowMapping]:
    """The rows of a run's tasks, in the order in which they were made."""
    query = select(task_rows).where(task_rows.c.namespace_id == namespace_id, task_rows.c.run_id == run_id)
    return connection.execute(query.order_by(task_rows.c.id)).mappings().all()


def attempts_where(connection: Connection, namespace_id: str, *, column: str, value: str) -> list[Attempt]:
    """The attempts of a run (`run_id`) or task (`task_id`), oldest first."""
    query = select(attempt_rows).where(attempt_rows.c.namespace_id == namespace_id, attempt_rows.c[column] == value)
    return [attempt_of(row) for row in connection.execute(query.order_by(attempt_rows.c.id)).mappings()]


def metrics_of(connection: Connection, namespace_id: str, run_id: str) -> list[Metric]:
    """The metrics of a run, in the order in which they were recorded."""
    query = select(metric_rows).where(metric_rows.c.namespace_id == namespace_id, metric_rows.c.run_id == run_id)
    return [metric_of(row) for row in connection.execute(query.order_by(metric_rows.c.id)).mappings()]


def metrics_of_runs(connection: Connection, namespace_id: str, run_ids: Sequence[str]) -> list[Metric]:
    """The metrics of several runs, in the order in which they were recorded."""
    query = select(metric_rows).where(metric_rows.c.namespace_id == namespace_id, metric_rows.c.run_id.in_(run_ids))
    return [metric_of(row) for row in connection.execute(query.order_by(metric_rows.c.id)).mappings()]
