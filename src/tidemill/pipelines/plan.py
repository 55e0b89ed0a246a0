"""The order of a pipeline's tasks, for display."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.pipelines.model import Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The tasks of one DAG in levels: a level needs only levels before it. `nested` holds the DAGs of its tasks."""

    levels: tuple[tuple[str, ...], ...]
    nested: dict[str, Plan]

    @property
    def order(self) -> tuple[str, ...]:
        """The tasks in an order in which they could run one by one."""
        return tuple(task for level in self.levels for task in level)


def plan(pipeline: Pipeline) -> Plan:
    """The levels of the root's DAG and of every DAG below it."""
    raise NotImplementedError
