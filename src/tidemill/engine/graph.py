"""A run in a worker's memory: scopes (DAGs at work) and nodes (task instances), changed only in a worker's turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.artifacts import Artifact
from tidemill.engine.claims import Claim
from tidemill.engine.model import Failure, State, TaskKind, check_transition
from tidemill.pipelines import Component, Dag, Pipeline, TaskSpec
from tidemill.pipelines.model import ContainerExecutor, ImporterExecutor


class Phase(StrEnum):
    """What a worker does about a node; not stored."""

    WAITING = "waiting"  # for upstream tasks
    READY = "ready"  # inputs are bound; waits for its environment, its next try or a slot
    PREPARING = "preparing"  # its environment is being made
    ACTIVE = "active"  # an attempt, an inner scope or iterations are at work
    ENDED = "ended"  # final


@dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """A task instance; `scope` is where it stands, `inner` the DAG behind it, `iterations` its passes as a loop."""

    id: str
    path: str
    spec: TaskSpec
    component: Component
    kind: TaskKind
    scope: Scope
    parent: Node | None
    created_at: datetime
    iteration: int | None = None
    state: State = State.PENDING
    phase: Phase = Phase.WAITING
    cached: bool = False
    cache_key: str | None = None
    lock_digest: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, list[Artifact]] = field(default_factory=dict)
    out_parameters: dict[str, Any] = field(default_factory=dict)
    out_artifacts: dict[str, list[Artifact]] = field(default_factory=dict)
    failure: Failure | None = None
    attempts: int = 0
    failures: int = 0
    losses: int = 0
    not_before_seconds: float = 0.0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    generation: int = 0
    inner: Scope | None = None
    items: list[Any] = field(default_factory=list)
    iterations: list[Node] = field(default_factory=list)
    open_iterations: int = 0


@dataclass(slots=True, eq=False, kw_only=True)
class Scope:
    """A DAG at work with its inputs; `owner` is the node it stands behind, None for the run itself."""

    dag: Dag
    owner: Node | None
    parameters: dict[str, Any]
    artifacts: dict[str, list[Artifact]]
    nodes: dict[str, Node] = field(default_factory=dict)
    waiting: list[Node] = field(default_factory=list)
    open_count: int = 0


@dataclass(slots=True, eq=False, kw_only=True)
class RunGraph:
    """A claimed run; `created` and `changed` are what the next transaction writes."""

    id: str
    namespace_id: str
    name: str
    author: str
    claim: Claim
    pipeline: Pipeline
    caching: bool
    parallelism: int | None
    state: State
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None = None
    root: Scope | None = None
    failure: Failure | None = None
    notices: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    generation: int = 0
    engine_faults: int = 0
    is_changed: bool = False
    is_canceling: bool = False
    nodes: dict[str, Node] = field(default_factory=dict)
    created: dict[str, Node] = field(default_factory=dict)
    changed: dict[str, Node] = field(default_factory=dict)
    touched: dict[int, Scope] = field(default_factory=dict)

    def component(self, name: str) -> Component:
        """A component of the pipeline."""
        return self.pipeline.components[name]

    def touch(self, scope: Scope) -> None:
        """Look at a scope in the next pass."""
        self.touched[id(scope)] = scope

    def mark(self, node: Node) -> None:
        """Write a node with the next transaction."""
        if node.id not in self.created:
            self.changed[node.id] = node

    def move(self, node: Node, state: State, now: datetime) -> None:
        """Give a node its next state; an illegal one raises `Conflict`."""
        if node.state is not state:
            check_transition(node.state, state, place=f"task {node.path}")
            node.state = state
        if state is State.RUNNING and node.started_at is None:
            node.started_at = now
        if state.is_final:
            node.finished_at = now
            node.started_at = node.started_at or now
            node.phase = Phase.ENDED
        self.mark(node)

    def add(self, node: Node) -> None:
        """Take up a new node."""
        self.nodes[node.id] = node
        self.created[node.id] = node

    def set_state(self, state: State, now: datetime) -> None:
        """Give the run its next state."""
        if self.state is not state:
            check_transition(self.state, state, place=f"run {self.id}")
            self.state = state
        if state.is_final:
            self.finished_at = now
        self.is_changed = True

    def seconds_left(self, now: datetime) -> float:
        """How long the run may still take by its pipeline's deadline; what it took under other workers counts."""
        allowed = self.pipeline.config.active_deadline_seconds
        begun = self.started_at or self.created_at
        return float("inf") if allowed is None else allowed - (now - begun).total_seconds()

    @property
    def is_over(self) -> bool:
        """True when nothing is left to do."""
        return self.state.is_final or self.state is State.PAUSED


def kind_of(spec: TaskSpec, component: Component, iteration: int | None) -> TaskKind:
    """The kind of a task instance."""
    if spec.iterator is not None and iteration is None:
        return TaskKind.LOOP
    if component.dag is not None:
        return TaskKind.DAG if iteration is None else TaskKind.ITERATION
    if isinstance(component.executor, ImporterExecutor):
        return TaskKind.IMPORTER
    assert isinstance(component.executor, ContainerExecutor)  # check_supported lets nothing else through
    return TaskKind.CONTAINER
