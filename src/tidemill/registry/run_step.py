"""The step behind a task of a run: the lock it ran in, and the notebook's program if it was one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tidemill.base.errors import Conflict, InvalidInput
from tidemill.base.site import Site
from tidemill.engine import Run, Task
from tidemill.engine.specs import read_spec
from tidemill.locks import Lock, StepCommand, StepKind, lock, pip_command_requirements
from tidemill.pipelines import load_pipeline
from tidemill.pipelines.model import Component, ContainerExecutor, Pipeline

_ITERATION = re.compile(r"\[\d+\]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFacts:
    """A step's lock, the program of a notebook step (None for others), and the parameters it got."""

    lock: Lock
    program: dict[str, Any] | None
    parameters: dict[str, Any]


def step_of(site: Site, run: Run, task: Task) -> StepFacts:
    """The step of a task, from the spec of its run; the home knows the lock, so nothing is resolved anew.

    Raises `InvalidInput` when the step runs in a container without requirements of its own, `Conflict` when the
    requirements resolve to another lock than the one the task ran in.
    """
    with site.database.read() as connection:
        text = read_spec(connection, run.spec_digest, namespace_id=run.namespace_id)
    executor = component_of(load_pipeline(text, place=f"spec of run {run.id}"), task.path).executor
    command = None
    if isinstance(executor, ContainerExecutor):
        command = pip_command_requirements(executor.command, executor.args)
    if command is None:
        raise InvalidInput(
            f"the task {task.path} names no requirements, so its model cannot be loaded again",
            place=f"run {run.id}",
            remedy="give the step packages_to_install, or write it as a notebook",
        )
    found = lock(site, command.requirements)
    if task.lock_digest is not None and found.digest != task.lock_digest:
        raise Conflict(
            f"the requirements of {task.path} are locked otherwise now ({found.digest} instead of {task.lock_digest})",
            place=f"run {run.id}",
            remedy="run the pipeline again, then register its model",
        )
    return StepFacts(lock=found, program=program_of(command), parameters=task.parameters)


def component_of(pipeline: Pipeline, task_path: str) -> Component:
    """The component of a task by its path in the run (`train`, `loop[2]/train`)."""
    component = pipeline.root
    for part in task_path.split("/"):
        name = _ITERATION.sub("", part)
        spec = None if component.dag is None else component.dag.tasks.get(name)
        if spec is None:
            raise InvalidInput(f"the spec has no task {task_path!r}", place=pipeline.name)
        component = pipeline.components[spec.component]
    return component


def program_of(command: StepCommand) -> dict[str, Any] | None:
    """The program of a notebook's step, None for a command of another kind."""
    if command.kind is not StepKind.RUNTIME or "--program" not in command.argv[:-1]:
        return None
    parts = [text for word, text in zip(command.argv, command.argv[1:], strict=False) if word == "--program"]
    found = json.loads("".join(parts))
    return found if isinstance(found, dict) else None
