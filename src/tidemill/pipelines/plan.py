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
    dag = pipeline.root.dag
    # The loader gives no pipeline without one.
    return _plan(dag, pipeline) if dag is not None else Plan(levels=(), nested={})


def _plan(dag: Dag, pipeline: Pipeline) -> Plan:
    nested = {}
    for name, task in dag.tasks.items():
        below = pipeline.components[task.component].dag
        if below is not None:
            nested[name] = _plan(below, pipeline)
    spot = Spot(document=Document(value=None, place=pipeline.name))
    levels = arrange({name: task.depends_on for name, task in dag.tasks.items()}, spot)
    return Plan(levels=levels, nested=nested)
