"""The verb run_output: what a task of a run gave back."""

from __future__ import annotations

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
    path, _, output = name.rpartition(".")
    tasks = list_tasks(site, actor, run_id)
    task = _task(tasks, path)
    if output in task.output_artifacts:
        found = [artifact(site, actor, one) for one in task.output_artifacts[output]]
        return found[0] if len(found) == 1 else found
    if output in task.output_parameters:
        return task.output_parameters[output]
    known = sorted({*task.output_artifacts, *task.output_parameters})
    raise NotFound(
        f"the task {path!r} has no output {output!r}",
        place=f"run {run_id}",
        remedy=f"it has: {', '.join(known) or 'none'}; it is {task.state.value}",
    )


def _task(tasks: list[Task], path: str) -> Task:
    for matches in ([one for one in tasks if one.path == path], [one for one in tasks if one.name == path]):
        if matches:
            return matches[0]
    known = ", ".join(one.path for one in tasks[:20]) or "none yet"
    raise NotFound(f"the run has no task {path!r}", remedy=f"its tasks: {known}")
