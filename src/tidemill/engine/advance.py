"""Deciding what happens next in a run: pure steps on the graph, no input or output."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.base.site import Site
from tidemill.engine.bind import bind_inputs, loop_items
from tidemill.engine.graph import Node, Phase, RunGraph, Scope, kind_of
from tidemill.engine.model import Failure, State, TaskKind
from tidemill.pipelines import Dag, evaluate_condition, select_value
from tidemill.pipelines.model import OutputSource, TriggerStrategy

MAX_OPEN_ITERATIONS = 64
"""So many passes of a loop are taken up at a time: more than there are cores, and few in memory."""


class Scheduler:
    """Moves a graph on after something has ended; gives the steps that are ready to be started."""

    def __init__(self, site: Site, graph: RunGraph) -> None:
        self._site = site
        self._graph = graph
        self._ready: list[Node] = []

    def start(self, parameters: dict[str, Any], artifacts: dict[str, Any]) -> None:
        """Begin a run that has no tasks yet."""
        dag = self._graph.pipeline.root.dag
        assert dag is not None  # a root without DAG is no valid spec
        self._graph.root = self._open_scope(dag, None, parameters, artifacts)

    def advance(self) -> list[Node]:
        """Decide everything that can be decided; the steps and importers that became ready."""
        while self._graph.touched:
            _, scope = self._graph.touched.popitem()
            still_waiting: list[Node] = []
            waiting, scope.waiting = scope.waiting, []
            for node in waiting:
                if self._graph.is_canceling:
                    self.end(node, State.CANCELED)
                elif all(scope.nodes[name].state.is_final for name in node.spec.depends_on):
                    self._decide(node)
                else:
                    still_waiting.append(node)
            scope.waiting.extend(still_waiting)
            if scope.open_count == 0:
                self._close_scope(scope)
        ready, self._ready = self._ready, []
        return ready

    def end(self, node: Node, state: State, failure: Failure | None = None) -> None:
        """A node has ended; what waits for it is looked at in the next pass."""
        node.failure = failure
        self._graph.move(node, state, self._site.clock.now())
        loop = node.parent if node.iteration is not None else None
        if loop is not None:
            loop.open_iterations -= 1
            self._turn_loop(loop)
        else:
            node.scope.open_count -= 1
            self._graph.touch(node.scope)

    def resume_node(self, node: Node) -> None:
        """Take up a node read from the database that had begun and not ended."""
        if node.kind is TaskKind.LOOP:
            try:
                node.items = loop_items(node)
            except InvalidInput as problem:
                self.end(node, State.FAILED, _failure(problem, node))
                return
            node.phase = Phase.ACTIVE
            self._turn_loop(node)
        elif node.inner is not None:
            node.phase = Phase.ACTIVE
            self._graph.touch(node.inner)

    def make_ready(self, node: Node) -> None:
        """A step whose inputs are bound may be started (again)."""
        node.phase = Phase.READY
        self._graph.mark(node)
        self._ready.append(node)

    def open_missing(self, scope: Scope) -> None:
        """Make the nodes that a scope does not have yet."""
        now = self._site.clock.now()
        prefix = "" if scope.owner is None else scope.owner.path + "/"
        for name, spec in scope.dag.tasks.items():
            if name in scope.nodes:
                continue
            component = self._graph.component(spec.component)
            node = Node(
                id=self._site.ids.new(),
                path=prefix + name,
                spec=spec,
                component=component,
                kind=kind_of(spec, component, None),
                scope=scope,
                parent=scope.owner,
                created_at=now,
            )
            scope.nodes[name] = node
            scope.waiting.append(node)
            scope.open_count += 1
            self._graph.add(node)
        self._graph.touch(scope)

    def _open_scope(self, dag: Dag, owner: Node | None, parameters: dict[str, Any], artifacts: dict[str, Any]) -> Scope:
        scope = Scope(dag=dag, owner=owner, parameters=parameters, artifacts=artifacts)
        self.open_missing(scope)
        return scope

    def _decide(self, node: Node) -> None:
        upstream = [node.scope.nodes[name].state for name in node.spec.depends_on]
        if node.spec.trigger_strategy is TriggerStrategy.ALL_UPSTREAM_TASKS_SUCCEEDED and any(
            state is not State.SUCCEEDED for state in upstream
        ):
            self.end(node, State.SKIPPED)
            return
        try:
            bind_inputs(self._graph, node)
            if node.spec.condition is not None and not evaluate_condition(
                node.spec.condition, node.parameters, place=f"task {node.path}: condition"
            ):
                self.end(node, State.SKIPPED)
                return
            self._begin(node)
        except InvalidInput as problem:
            self.end(node, State.FAILED, _failure(problem, node))

    def _begin(self, node: Node) -> None:
        if node.kind is TaskKind.LOOP:
            node.items = loop_items(node)
            node.phase = Phase.ACTIVE
            self._graph.move(node, State.RUNNING, self._site.clock.now())
            self._turn_loop(node)
        elif node.component.dag is not None:
            node.phase = Phase.ACTIVE
            self._graph.move(node, State.RUNNING, self._site.clock.now())
            node.inner = self._open_scope(node.component.dag, node, node.parameters, node.artifacts)
        else:
            self.make_ready(node)

    def _turn_loop(self, loop: Node) -> None:
        """Open the next passes of a loop, or end it."""
        iterator = loop.spec.iterator
        assert iterator is not None
        limit = min(iterator.parallelism or MAX_OPEN_ITERATIONS, MAX_OPEN_ITERATIONS)
        while (
            not self._graph.is_canceling
            and loop.open_iterations < limit
            and len(loop.iterations) < len(loop.items)
            and not loop.state.is_final
        ):
            self._open_iteration(loop, len(loop.iterations))
        if loop.open_iterations == 0 and not loop.state.is_final:
            self._close_loop(loop)

    def _open_iteration(self, loop: Node, index: int) -> None:
        iterator = loop.spec.iterator
        assert iterator is not None
        node = Node(
            id=self._site.ids.new(),
            path=f"{loop.path}[{index}]",
            spec=replace(loop.spec, iterator=None, condition=None),
            component=loop.component,
            kind=kind_of(loop.spec, loop.component, index),
            scope=loop.scope,
            parent=loop,
            created_at=self._site.clock.now(),
            iteration=index,
            parameters=dict(loop.parameters),
            artifacts=dict(loop.artifacts),
        )
        give_item(node, loop.items[index], loop)
        loop.iterations.append(node)
        loop.open_iterations += 1
        self._graph.add(node)
        self._begin(node)

    def _close_loop(self, loop: Node) -> None:
        outputs = loop.component.outputs
        for name in outputs.parameters:
            loop.out_parameters[name] = [
                one.out_parameters[name] for one in loop.iterations if name in one.out_parameters
            ]
        for name in outputs.artifacts:
            loop.out_artifacts[name] = [made for one in loop.iterations for made in one.out_artifacts.get(name, ())]
        self.end(loop, *self._outcome(loop.iterations))

    def _close_scope(self, scope: Scope) -> None:
        owner = scope.owner
        if owner is not None and owner.state.is_final:
            return
        state, failure = self._outcome(list(scope.nodes.values()))
        try:
            parameters, artifacts = self._outputs(scope)
        except InvalidInput as problem:
            parameters, artifacts = {}, {}
            state, failure = State.FAILED, failure or Failure(message=str(problem))
        if owner is None:
            self._end_run(state, failure, parameters, artifacts)
            return
        owner.out_parameters, owner.out_artifacts = parameters, artifacts
        self.end(owner, state, failure)

    def _end_run(
        self, state: State, failure: Failure | None, parameters: dict[str, Any], artifacts: dict[str, Any]
    ) -> None:
        graph = self._graph
        if graph.is_over:
            return
        graph.outputs = {
            "parameters": parameters,
            "artifacts": {name: [one.id for one in made] for name, made in artifacts.items()},
        }
        if graph.is_canceling:
            # A run that took longer than it may is stopped in the same way, and has a failure.
            state = State.CANCELED if graph.failure is None else State.FAILED
        graph.failure = graph.failure or failure
        graph.set_state(state, self._site.clock.now())

    def _outcome(self, nodes: list[Node]) -> tuple[State, Failure | None]:
        failed = [node for node in nodes if node.state is State.FAILED]
        if failed:
            first = min(failed, key=lambda node: (node.finished_at or node.created_at, node.id))
            return State.FAILED, first.failure
        if any(node.state is State.CANCELED for node in nodes) or self._graph.is_canceling:
            return State.CANCELED, None
        return State.SUCCEEDED, None

    def _outputs(self, scope: Scope) -> tuple[dict[str, Any], dict[str, Any]]:
        parameters: dict[str, Any] = {}
        for name, source in scope.dag.parameter_outputs.items():
            for node, output, selector in _candidates(scope, source):
                if output in node.out_parameters:
                    value = node.out_parameters[output]
                    parameters[name] = select_value(selector, value, place=name) if selector else value
                    break
        artifacts: dict[str, Any] = {}
        for name, source in scope.dag.artifact_outputs.items():
            for node, output, _ in _candidates(scope, source):
                if output in node.out_artifacts:
                    artifacts[name] = node.out_artifacts[output]
                    break
        return parameters, artifacts


def give_item(node: Node, item: Any, loop: Node) -> None:
    """Give a pass of a loop its own item, beside all other inputs of the loop."""
    iterator = loop.spec.iterator
    assert iterator is not None
    if iterator.of_artifacts:
        node.artifacts[iterator.item_input] = [item]
    else:
        node.parameters[iterator.item_input] = item


def _candidates(scope: Scope, source: OutputSource) -> list[tuple[Node, str, str]]:
    found = [(scope.nodes[one.task], one.output, one.selector) for one in source.candidates]
    return [each for each in found if each[0].state is not State.SKIPPED]


def _failure(problem: InvalidInput, node: Node) -> Failure:
    place = "" if problem.place is None or problem.place.startswith(f"task {node.path}") else f"{problem.place}: "
    return Failure(message=place + problem.message, task=node.path, remedy=problem.remedy)
