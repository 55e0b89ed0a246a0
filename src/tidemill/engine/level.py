"""One level of a run as a graph: its tasks, also those that are still to come, and which waits for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidemill.access.model import Actor
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.engine.find import get_run, list_tasks
from tidemill.engine.model import State, Task, TaskKind
from tidemill.engine.specs import SpecCache, read_spec
from tidemill.pipelines import Dag, Pipeline

_SPECS = SpecCache()


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelNode:
    """A task of the level; `task` is None while it has not been made. `inside` counts what is inside it by state."""

    name: str
    display_name: str
    task: Task | None
    inside: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The graph of one level: `edges` go from a name to one that waits for it; `way` leads here, outermost first."""

    nodes: tuple[LevelNode, ...]
    edges: tuple[tuple[str, str], ...]
    way: tuple[Task, ...]


def run_level(site: Site, actor: Actor, run_id: str, inside: str | None = None) -> Level:
    """The tasks of a run itself, or those inside one of its tasks (an id); `NotFound`."""
    run = get_run(site, actor, run_id)
    tasks = list_tasks(site, actor, run_id)
    with site.database.read() as connection:
        text = read_spec(connection, run.spec_digest, namespace_id=actor.namespace_id)
    way = _way({task.id: task for task in tasks}, inside)
    children: dict[str | None, list[Task]] = {}
    for task in tasks:
        children.setdefault(task.parent_id, []).append(task)
    here = children.get(inside, [])
    counts = {task.id: Counter(one.state.value for one in children.get(task.id, ())) for task in here}
    if way and way[-1].kind is TaskKind.LOOP:
        return Level(nodes=tuple(_iteration(task, counts) for task in here), edges=(), way=way)
    return _of_dag(_dag(_SPECS.load(text, run.spec_digest), way), here, counts, way)


def _of_dag(
    dag: Dag | None, here: Sequence[Task], counts: Mapping[str, Mapping[str, int]], way: tuple[Task, ...]
) -> Level:
    if dag is None:
        return Level(nodes=(), edges=(), way=way)
    known = {task.name: task for task in here}
    nodes = tuple(
        LevelNode(
            name=name,
            display_name=spec.display_name,
            task=known.get(name),
            inside=counts.get(known[name].id, {}) if name in known else {},
        )
        for name, spec in dag.tasks.items()
    )
    edges = tuple((upstream, name) for name, spec in dag.tasks.items() for upstream in spec.depends_on)
    return Level(nodes=nodes, edges=tuple(edge for edge in edges if edge[0] in dag.tasks), way=way)


def _iteration(task: Task, counts: Mapping[str, Mapping[str, int]]) -> LevelNode:
    return LevelNode(
        name=task.path, display_name=f"{task.display_name}[{task.iteration}]", task=task, inside=counts[task.id]
    )


def _way(tasks: Mapping[str, Task], inside: str | None) -> tuple[Task, ...]:
    """From the outermost task to `inside`."""
    found: list[Task] = []
    while inside is not None:
        if inside not in tasks:
            raise NotFound(f"this run has no task {inside[:64]!r}", place="inside")
        found.append(tasks[inside])
        inside = tasks[inside].parent_id
    return tuple(reversed(found))


def _dag(pipeline: Pipeline, way: Iterable[Task]) -> Dag | None:
    """What stands behind the last task of the way; an iteration stands for the same component as its loop."""
    dag = pipeline.root.dag
    for task in way:
        if task.kind is TaskKind.ITERATION or dag is None:
            continue
        dag = pipeline.components[dag.tasks[task.name].component].dag
    return dag


def state_of(node: LevelNode) -> State:
    """The state of a node; what has not been made is pending."""
    return State.PENDING if node.task is None else node.task.state
