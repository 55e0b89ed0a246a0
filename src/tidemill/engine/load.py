"""Reading a claimed run back into memory: what has ended stays, what had begun is taken up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from tidemill.artifacts import Artifact
from tidemill.artifacts.store import artifacts_by_id
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.engine import rows
from tidemill.engine.advance import Scheduler, give_item
from tidemill.engine.bind import loop_items
from tidemill.engine.claims import Claim, Guards, demand_claim
from tidemill.engine.graph import Node, Phase, RunGraph, Scope, kind_of
from tidemill.engine.model import Failure, State, TaskKind
from tidemill.engine.seals import prove_run, prove_task, sealing_key
from tidemill.engine.specs import SpecCache, read_spec
from tidemill.engine.store import attempt_rows

_LOST = Failure(message="the worker that ran this attempt has ended")


def load_run(site: Site, claim: Claim, specs: SpecCache, guards: Guards) -> tuple[RunGraph, Scheduler]:
    """The graph of a claimed run with its scheduler, ready to advance; attempts left running are closed as lost."""
    with site.database.read() as connection:
        row = rows.run_row(connection, claim.namespace_id, claim.run_id)
        if row is None:
            raise NotFound(f"there is no run {claim.run_id}")
        text = read_spec(connection, row["spec_digest"], namespace_id=claim.namespace_id)
        tasks = rows.task_mappings(connection, claim.namespace_id, claim.run_id)
        artifacts = artifacts_by_id(connection, claim.namespace_id, _artifact_ids(row, tasks))
    _prove(site, row, tasks, artifacts)
    if tasks:
        _close_lost_attempts(site, claim, guards)
    graph = _graph(site, row, claim, specs.load(text, row["spec_digest"]))
    scheduler = Scheduler(site, graph)
    root_artifacts = {name: [artifacts[one]] for name, one in row["artifacts"].items()}
    if graph.is_canceling and not tasks:
        graph.set_state(State.CANCELED, site.clock.now())
    elif not tasks:
        scheduler.start(row["parameters"], root_artifacts)
    else:
        _Restorer(graph, scheduler, tasks, artifacts).restore(row["parameters"], root_artifacts)
    return graph, scheduler


def _prove(site: Site, row: RowMapping, tasks: Sequence[RowMapping], artifacts: Mapping[str, Artifact]) -> None:
    """What was submitted, and what has ended, is as it was written then: nothing goes on from a row that is not."""
    key = sealing_key(site.home)
    prove_run(key, row)
    for task in tasks:
        if State(task["state"]).is_final:
            prove_task(key, task, artifacts)


def _graph(site: Site, row: RowMapping, claim: Claim, pipeline: Any) -> RunGraph:
    graph = RunGraph(
        id=row["id"],
        namespace_id=row["namespace_id"],
        name=row["name"],
        author=row["created_by"],
        claim=claim,
        pipeline=pipeline,
        caching=row["caching"],
        parallelism=row["parallelism"],
        state=State(row["state"]),
        created_at=row["created_at"],
        started_at=row["started_at"] or site.clock.now(),
        notices=list(row["notices"]),
        generation=row["generation"],
        engine_faults=row["engine_faults"],
        is_canceling=row["state"] == State.CANCELING.value,
    )
    if graph.state is State.PENDING:
        graph.set_state(State.RUNNING, site.clock.now())
    return graph


def _artifact_ids(row: RowMapping, tasks: Sequence[RowMapping]) -> list[str]:
    found = list(row["artifacts"].values())
    for task in tasks:
        for ids in (*task["input_artifacts"].values(), *task["output_artifacts"].values()):
            found.extend(ids)
    return list(dict.fromkeys(found))


def _close_lost_attempts(site: Site, claim: Claim, guards: Guards) -> None:
    mine = (attempt_rows.c.namespace_id == claim.namespace_id, attempt_rows.c.run_id == claim.run_id)
    with site.database.read() as connection:
        left = select(attempt_rows.c.id).where(*mine, attempt_rows.c.state == State.RUNNING.value)
        if connection.execute(left).first() is None:
            return
    with site.database.write() as connection:
        demand_claim(connection, claim, guards)
        _close(connection, mine, site)


def _close(connection: Connection, mine: Any, site: Site) -> None:
    connection.execute(
        update(attempt_rows)
        .where(*mine, attempt_rows.c.state == State.RUNNING.value)
        .values(state=State.CANCELED.value, failure=_LOST.to_json(), finished_at=site.clock.now())
    )


class _Restorer:
    """Builds scopes and nodes from rows, parents first."""

    def __init__(
        self, graph: RunGraph, scheduler: Scheduler, tasks: Sequence[RowMapping], artifacts: Mapping[str, Artifact]
    ) -> None:
        self._graph = graph
        self._scheduler = scheduler
        self._artifacts = artifacts
        self._children: dict[str | None, list[RowMapping]] = {}
        for task in tasks:
            self._children.setdefault(task["parent_id"], []).append(task)

    def restore(self, parameters: dict[str, Any], artifacts: dict[str, list[Artifact]]) -> None:
        """Build the root's scope and everything below it."""
        dag = self._graph.pipeline.root.dag
        assert dag is not None
        root = Scope(dag=dag, owner=None, parameters=parameters, artifacts=artifacts)
        self._graph.root = root
        self._fill(root, None)

    def _fill(self, scope: Scope, owner_id: str | None) -> None:
        begun: list[Node] = []
        for row in self._children.get(owner_id, ()):
            node = self._node(row, scope, iteration=None)
            scope.nodes[node.spec.name] = node
            if node.state.is_final:
                continue
            scope.open_count += 1
            if node.state is State.PENDING or node.kind in (TaskKind.CONTAINER, TaskKind.IMPORTER):
                scope.waiting.append(node)
            else:
                begun.append(node)
        self._scheduler.open_missing(scope)
        for node in begun:
            self._take_up(node)

    def _node(self, row: RowMapping, scope: Scope, *, iteration: int | None) -> Node:
        name = row["name"]
        spec = scope.dag.tasks[name]
        if iteration is not None:
            spec = replace(spec, iterator=None, condition=None)
        component = self._graph.component(spec.component)
        node = Node(
            id=row["id"],
            path=row["path"],
            spec=spec,
            component=component,
            kind=kind_of(spec, component, iteration),
            scope=scope,
            parent=scope.owner,
            created_at=row["created_at"],
            iteration=iteration,
            state=State(row["state"]),
            cached=row["cached"],
            cache_key=row["cache_key"],
            lock_digest=row["lock_digest"],
            parameters=row["parameters"],
            artifacts=self._named(row["input_artifacts"]),
            out_parameters=row["output_parameters"],
            out_artifacts=self._named(row["output_artifacts"]),
            failure=rows.failure_of(row["failure"]),
            attempts=row["attempts"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            generation=row["generation"],
        )
        node.phase = Phase.ENDED if node.state.is_final else Phase.WAITING
        self._graph.nodes[node.id] = node
        return node

    def _take_up(self, node: Node) -> None:
        if node.kind is TaskKind.LOOP:
            items = loop_items(node)
            passes = sorted(self._children.get(node.id, ()), key=lambda row: int(row["iteration"]))
            for row in passes:
                one = self._node(row, node.scope, iteration=row["iteration"])
                one.parent = node
                one.parameters = {**node.parameters, **one.parameters}
                one.artifacts = {**node.artifacts, **one.artifacts}
                give_item(one, items[one.iteration or 0], node)
                node.iterations.append(one)
                if not one.state.is_final:
                    node.open_iterations += 1
            for one in node.iterations:
                if not one.state.is_final:
                    self._take_up_pass(one)
        elif node.component.dag is not None:
            self._open_inner(node)
        self._scheduler.resume_node(node)

    def _take_up_pass(self, one: Node) -> None:
        if one.component.dag is None:
            self._scheduler.make_ready(one)
        else:
            self._open_inner(one)
            one.phase = Phase.ACTIVE

    def _open_inner(self, node: Node) -> None:
        assert node.component.dag is not None
        node.inner = Scope(dag=node.component.dag, owner=node, parameters=node.parameters, artifacts=node.artifacts)
        self._fill(node.inner, node.id)

    def _named(self, ids: Mapping[str, Sequence[str]]) -> dict[str, list[Artifact]]:
        return {name: [self._artifacts[one] for one in found] for name, found in ids.items()}
