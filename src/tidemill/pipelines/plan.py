"""The order of a pipeline's tasks, for display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.pipelines.documents import Document, Spot
from tidemill.pipelines.levels import arrange
from tidemill.pipelines.model import Dag, Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The tasks of one DAG in levels: a level needs only levels before it. `nested` holds the DAGs of its tasks."""

    levels: tuple[tuple[str, ...], ...]
    nested: Mapping[str, Plan]

    @property
    def order(self) -> tuple[str, ...]:
        """The tasks in an order in which they could run one by one."""
        return tuple(task for level in self.levels for task in level)


def plan(pipeline: Pipeline) -> Plan:
    """The levels of the root's DAG and of every DAG below it."""
    made: dict[str, Plan] = {}

    def of(dag: Dag) -> Plan:
        nested = {}
        for name, task in dag.tasks.items():
            below = pipeline.components[task.component].dag
            if below is None:
                continue
            # Made once for each component: one that is used twice at every level must not double at every level.
            if task.component not in made:
                made[task.component] = of(below)
            nested[name] = made[task.component]
        spot = Spot(document=Document(value=None, place=pipeline.name))
        levels = arrange({name: task.depends_on for name, task in dag.tasks.items()}, spot)
        return Plan(levels=levels, nested=nested)

    # The loader gives no pipeline without a DAG.
    return of(pipeline.root.dag) if pipeline.root.dag is not None else Plan(levels=(), nested={})
