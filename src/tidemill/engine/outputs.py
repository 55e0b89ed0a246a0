"""The verb run_output: what a task of a run gave back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tidemill.access.model import Actor
from tidemill.artifacts import Artifact, artifact
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.engine.find import list_tasks
from tidemill.engine.model import Task


def run_output(site: Site, actor: Actor, run_id: str, name: str) -> Artifact | Any:
    """The output `task.output` of a run: an `Artifact` (a list of them for a list output), or a parameter's value.

    `task` is a task's path or name. `NotFound` names what there is instead.
    """
    return output_of(list_tasks(site, actor, run_id), name, partial(artifact, site, actor), place=f"run {run_id}")


def output_of(tasks: Sequence[Task], name: str, find: Callable[[str], Artifact], *, place: str) -> Artifact | Any:
    """`run_output` among these tasks; `find` gives an artifact by its id."""
    path, _, output = name.rpartition(".")
    task = task_named(tasks, path)
    if output in task.output_artifacts:
        found = [find(one) for one in task.output_artifacts[output]]
        return found[0] if len(found) == 1 else found
    if output in task.output_parameters:
        return task.output_parameters[output]
    known = sorted({*task.output_artifacts, *task.output_parameters})
    raise NotFound(
        f"the task {path!r} has no output {output!r}",
        place=place,
        remedy=f"it has: {', '.join(known) or 'none'}; it is {task.state.value}",
    )


def task_named(tasks: Sequence[Task], path: str) -> Task:
    """The task of a path or a name; `NotFound` tells those that there are."""
    for matches in ([one for one in tasks if one.path == path], [one for one in tasks if one.name == path]):
        if matches:
            return matches[0]
    known = ", ".join(one.path for one in tasks[:20]) or "none yet"
    raise NotFound(f"the run has no task {path!r}", remedy=f"its tasks: {known}")
