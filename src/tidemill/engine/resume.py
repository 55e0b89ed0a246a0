"""The verb resume_run: what did not finish runs again, what finished stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, RowMapping, delete, update

from tidemill.access.model import Actor, Permission
from tidemill.artifacts.record import forget_edges
from tidemill.base.errors import Conflict, NotFound
from tidemill.base.events import append_event
from tidemill.base.repeats import was_done
from tidemill.base.signing import public_key
from tidemill.base.site import Site
from tidemill.engine import rows
from tidemill.engine.find import get_run
from tidemill.engine.model import Run, State, TaskKind, check_transition
from tidemill.engine.seals import prove_run
from tidemill.engine.specs import SpecCache, read_spec
from tidemill.engine.store import run_rows, task_rows
from tidemill.pipelines import Dag, Pipeline

_STEPS = frozenset({TaskKind.CONTAINER.value, TaskKind.IMPORTER.value})
_STAYS = frozenset({State.SUCCEEDED.value, State.SKIPPED.value})


def resume_run(site: Site, actor: Actor, run_id: str) -> Run:
    """Make a FAILED, CANCELED or PAUSED run PENDING again; a worker takes it from there.

    Tasks that succeeded keep their outputs, except those that come after one that runs again. Raises `NotFound`,
    `Conflict` when the run is at work or succeeded, `Forbidden`, also when the record of the run was changed.
    """
    actor.demand(Permission.WRITE)
    if was_done("run.resumed", run_id):
        return get_run(site, actor, run_id)
    with site.database.read() as connection:
        row = _run(connection, actor, run_id)
        text = read_spec(connection, row["spec_digest"], namespace_id=actor.namespace_id)
    prove_run(public_key(site.home), row)
    pipeline = SpecCache(1).load(text, row["spec_digest"])
    with site.database.write() as connection:
        row = _run(connection, actor, run_id)
        check_transition(State(row["state"]), State.PENDING, place=f"run {run_id}")
        tasks = rows.task_mappings(connection, actor.namespace_id, run_id)
        _apply(connection, actor.namespace_id, _reset(pipeline, tasks))
        connection.execute(
            update(run_rows)
            .where(run_rows.c.namespace_id == actor.namespace_id, run_rows.c.id == run_id)
            .values(
                state=State.PENDING.value,
                failure=None,
                outputs={},
                finished_at=None,
                engine_faults=0,
                claimed_by=None,
                generation=run_rows.c.generation + 1,
            )
        )
        append_event(
            connection,
            site.clock,
            namespace_id=actor.namespace_id,
            kind="run.resumed",
            subject_id=run_id,
            data={},
            created_by=actor.person,
        )
    return get_run(site, actor, run_id)


def _run(connection: Connection, actor: Actor, run_id: str) -> RowMapping:
    row = rows.run_row(connection, actor.namespace_id, run_id)
    if row is None:
        raise NotFound(f"there is no run {run_id[:64]!r}", remedy="tidemill runs list")
    if row["state"] in {State.RUNNING.value, State.PENDING.value, State.CANCELING.value}:
        raise Conflict(
            f"is at work: it is {row['state']}", place=f"run {run_id}", remedy="wait, or tidemill runs cancel"
        )
    return row


@dataclass(slots=True, kw_only=True)
class _Reset:
    """What becomes of the tasks: `again` start anew, `reopened` go on with their children, `deleted` are made anew."""

    again: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


def _reset(pipeline: Pipeline, tasks: Sequence[RowMapping]) -> _Reset:
    children: dict[str | None, list[RowMapping]] = {}
    for task in tasks:
        children.setdefault(task["parent_id"], []).append(task)
    result = _Reset()
    assert pipeline.root.dag is not None
    _reset_scope(pipeline, pipeline.root.dag, None, children, result)
    return result


def _reset_scope(
    pipeline: Pipeline,
    dag: Dag,
    owner_id: str | None,
    children: dict[str | None, list[RowMapping]],
    result: _Reset,
) -> None:
    by_name = {task["name"]: task for task in children.get(owner_id, ())}
    reset: set[str] = set()
    pending = list(by_name)
    while pending:
        # Upstream tasks first; a checked spec has no cycle.
        name = next(one for one in pending if not set(dag.tasks[one].depends_on) & set(pending))
        pending.remove(name)
        task = by_name[name]
        is_stale = bool(set(dag.tasks[name].depends_on) & reset)
        if task["state"] in _STAYS and not is_stale:
            continue
        reset.add(name)
        if task["kind"] in _STEPS or is_stale or task["state"] in {State.PENDING.value, State.SKIPPED.value}:
            result.again.append(task["id"])
            _delete_below(task["id"], children, result)
        else:
            result.reopened.append(task["id"])
            _reset_below(pipeline, task, children, result)


def _reset_below(
    pipeline: Pipeline, task: RowMapping, children: dict[str | None, list[RowMapping]], result: _Reset
) -> None:
    if task["kind"] != TaskKind.LOOP.value:
        inner = _component_dag(pipeline, task, children)
        _reset_scope(pipeline, inner, task["id"], children, result)
        return
    for one in children.get(task["id"], ()):
        if one["state"] == State.SUCCEEDED.value:
            continue
        if one["kind"] in _STEPS:
            result.again.append(one["id"])
        else:
            result.reopened.append(one["id"])
            _reset_scope(pipeline, _component_dag(pipeline, one, children), one["id"], children, result)


def _component_dag(pipeline: Pipeline, task: RowMapping, children: dict[str | None, list[RowMapping]]) -> Dag:
    """The DAG behind a task: found from the root by the names on the way."""
    by_id = {row["id"]: row for found in children.values() for row in found}
    names: list[str] = []
    row: RowMapping | None = task
    while row is not None:
        # A pass of a loop has its loop as parent, and its name.
        if row["kind"] != TaskKind.LOOP.value or row is task:
            names.append(row["name"])
        row = by_id.get(row["parent_id"])
    dag = pipeline.root.dag
    for name in reversed(names):
        assert dag is not None
        dag = pipeline.components[dag.tasks[name].component].dag
    assert dag is not None
    return dag


def _delete_below(task_id: str, children: dict[str | None, list[RowMapping]], result: _Reset) -> None:
    for child in children.get(task_id, ()):
        result.deleted.append(child["id"])
        _delete_below(child["id"], children, result)


def _apply(connection: Connection, namespace_id: str, reset: _Reset) -> None:
    mine = task_rows.c.namespace_id == namespace_id
    nothing: dict[str, object] = {"failure": None, "finished_at": None}
    fresh: dict[str, object] = {
        **nothing,
        "state": State.PENDING.value,
        "cached": False,
        "cache_key": None,
        "output_parameters": {},
        "output_artifacts": {},
        "started_at": None,
    }
    for ids, values in ((reset.again, fresh), (reset.reopened, {**nothing, "state": State.RUNNING.value})):
        for start in range(0, len(ids), 500):
            some = ids[start : start + 500]
            connection.execute(update(task_rows).where(mine, task_rows.c.id.in_(some)).values(**values))
    for start in range(0, len(reset.deleted), 500):
        connection.execute(delete(task_rows).where(mine, task_rows.c.id.in_(reset.deleted[start : start + 500])))
    forget_edges(connection, [*reset.again, *reset.deleted], namespace_id=namespace_id)
