"""Check a project file against what lies beside it and against its pipeline."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.pipelines import Pipeline, check_value
from tidemill.pipelines.documents import Document, Spot
from tidemill.pipelines.model import Component, ParameterSpec, ParameterType
from tidemill.pipelines.schema import nearest
from tidemill.project.load import load_project
from tidemill.project.model import Project
from tidemill.project.requests import notify_plan_of, rules_of_project, service_spec_of
from tidemill.project.source import ProjectSource, load_source, policy_outputs


def check_project(path: Path) -> tuple[Project, ProjectSource]:
    """Load a project file and its pipeline, and check one against the other.

    Raises `InvalidInput` at the first thing that is wrong: in the file, in the notebook, or between both.
    """
    project = load_project(path)
    check_units(project)
    check_rollout(project)
    check_monitor(project)
    check_notify(project)
    check_triggers(project, file=local_place(project.path))
    source = load_source(project)
    check_pipeline(project, source.pipeline)
    return project, source


def check_units(project: Project) -> None:
    """Raise `InvalidInput` for a column of the form that the model does not have, or a unit nobody can convert."""
    service, model = project.service, project.model
    if service is None:
        return
    from tidemill.serving.units import check_conversion  # serving brings the database along

    columns = model.columns if model is not None else {}
    for field in service.form:
        spot = _spot(project, "service", "form", field.column)
        if columns and field.column not in columns:
            raise spot.problem(f"the model has no column {field.column!r}", nearest(field.column, columns))
        if field.unit:
            unit = columns[field.column].unit if field.column in columns else ""
            if not unit:
                raise spot.at("unit").problem(
                    "the unit that the model takes is not known",
                    f'add [model.columns.{field.column}] with unit = "..."',
                )
            check_conversion(field.unit, unit, place=spot.at("unit").place)
    if service.output_unit:
        spot = _spot(project, "service", "output", "unit")
        if model is None or not model.prediction.unit:
            raise spot.problem("the unit that the model gives is not known", 'add [model.prediction] with unit = "..."')
        check_conversion(service.output_unit, model.prediction.unit, place=spot.place)


def check_rollout(project: Project) -> None:
    """Raise `InvalidInput` for steps, holds or guards of a rollout that make no sense."""
    if project.service is None:
        return
    from tidemill.serving.rollout.plan import check_plan  # serving brings the database along

    environment = project.service.environment
    special = project.environments.get(environment)
    try:
        check_plan(service_spec_of(project).rollout)
    except InvalidInput as problem:
        key = (problem.place or "").rpartition(".")[2]
        is_special = special is not None and key in special.rollout
        path = ("environments", environment, "rollout") if is_special else ("service", "rollout")
        raise _spot(project, *path, key).problem(problem.message, problem.remedy) from problem


def check_monitor(project: Project) -> None:
    """Raise `InvalidInput` for rules that contradict themselves, or name a column that the model does not have."""
    rules = rules_of_project(project)
    if rules is None:
        return
    if project.service is None:
        raise _spot(project, "monitor").problem("watches a service, and there is none", "add a table [service]")
    columns = project.model.columns if project.model is not None else {}
    for key, names in (("slices", rules.slices), ("key", (rules.key,) if rules.key else ())):
        for name in names:
            if columns and name not in columns:
                raise _spot(project, "monitor", key).problem(
                    f"the model has no column {name!r}", nearest(name, columns)
                )
    from tidemill.monitoring.statistics import find_statistics  # monitoring brings the database along

    known = [each.name for each in find_statistics(rules.extra_statistics)]
    if rules.statistic not in known:
        raise _spot(project, "monitor", "drift", "statistic").problem(
            f"there is no drift statistic {rules.statistic!r}", nearest(rules.statistic, known)
        )


def check_notify(project: Project) -> None:
    """Raise `InvalidInput` for an address that can never be told."""
    try:
        notify_plan_of(project)
    except InvalidInput as problem:
        key = (problem.place or "").rpartition(".")[2]
        raise _spot(project, "notify", key).problem(problem.message, problem.remedy) from problem


def check_triggers(project: Project, *, file: str) -> None:
    """Raise `InvalidInput` for a trigger that cannot be; `file` is where it is applied from, as `host:path`."""
    if not project.triggers:
        return
    from tidemill.project.requests import triggers_of
    from tidemill.triggers import check_spec  # triggers bring the database along

    try:
        for spec in triggers_of(project, file=file):
            check_spec(spec, place=f"triggers.{spec.name}")
    except InvalidInput as problem:
        path = tuple((problem.place or "").split("."))
        known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in project.lines), ())
        if known:
            problem.place = f"{project.path}:{project.lines[known]}: {problem.place}"
        raise


def local_place(file: Path) -> str:
    """A file of this machine as `host:path`."""
    return f"{socket.gethostname()}:{file.absolute()}"


def check_pipeline(project: Project, pipeline: Pipeline) -> None:
    """Raise `InvalidInput` where the project file names a parameter, task or output that the pipeline has not."""
    known = pipeline.root.inputs.parameters
    for name, value in project.parameters.items():
        spot = _spot(project, "parameters", name)
        _parameter(name, known, pipeline, spot)
        check_value(value, known[name], place=spot.place)
    if project.tuning is not None:
        for name, dimension in project.tuning.space.items():
            spot = _spot(project, "tuning", "space", name)
            _parameter(name, known, pipeline, spot)
            _check_dimension(dimension, known[name], spot)
        _check_objective(project.tuning.objective, pipeline, _spot(project, "tuning", "objective"))
    if project.model is not None:
        for key in ("output", "sample", "profile", "target"):
            reference = getattr(project.model, key)
            if reference:
                _check_output(reference, pipeline, _spot(project, "model", key))
    for path, reference in policy_outputs(project.gate):
        _check_output(reference, pipeline, _spot(project, "gate", *path))
    for name, environment in project.environments.items():
        for path, reference in policy_outputs(environment.gate):
            _check_output(reference, pipeline, _spot(project, "environments", name, "gate", *path))


def _spot(project: Project, *path: str) -> Spot:
    document = Document(value=None, place=str(project.path), lines=dict(project.lines))
    return Spot(document=document, path=path)


def _parameter(name: str, known: Iterable[str], pipeline: Pipeline, spot: Spot) -> None:
    if name not in known:
        remedy = nearest(name, known) or "tag a cell of the notebook with pipeline-parameters"
        raise spot.problem(f"the pipeline {pipeline.name} has no parameter {name!r}", remedy)


def _check_dimension(dimension: Any, spec: ParameterSpec, spot: Spot) -> None:
    if dimension["type"] == "choice":
        for index, choice in enumerate(dimension["choices"]):
            check_value(choice, spec, place=spot.at("choices", index).place)
        return
    numbers = {"int": (ParameterType.NUMBER_INTEGER, ParameterType.NUMBER_DOUBLE)}
    if spec.type not in numbers.get(dimension["type"], (ParameterType.NUMBER_DOUBLE,)):
        raise spot.at("type").problem(f"the parameter is a {spec.type}, and the type is {dimension['type']}")


def _component(reference: str, pipeline: Pipeline, spot: Spot) -> tuple[Component, str]:
    """The component behind the task of a reference, and what stands after the task's name."""
    task_name, _, rest = reference.partition(".")
    tasks = pipeline.root.dag.tasks if pipeline.root.dag is not None else {}
    named = {**{task.display_name: task for task in tasks.values()}, **tasks}
    task = named.get(task_name)
    if task is None:
        raise spot.problem(f"the pipeline has no task {task_name!r}", nearest(task_name, named))
    return pipeline.components[task.component], rest


def _check_output(reference: str, pipeline: Pipeline, spot: Spot) -> None:
    component, output = _component(reference, pipeline, spot)
    outputs = {*component.outputs.artifacts, *component.outputs.parameters}
    if output not in outputs:
        raise spot.problem(
            f"the task {reference.partition('.')[0]!r} has no output {output!r}", nearest(output, outputs)
        )


def _check_objective(reference: str, pipeline: Pipeline, spot: Spot) -> None:
    component, rest = _component(reference, pipeline, spot)
    output, _, metric = rest.partition(".")
    if metric and output in component.outputs.artifacts:
        return
    if metric:
        known = sorted(component.outputs.artifacts)
        raise spot.problem(f"the task has no metrics {output!r}", nearest(output, known))
    spec = component.outputs.parameters.get(rest)
    if spec is None:
        if rest in component.outputs.artifacts:
            raise spot.problem(f"{rest!r} is an artifact, not a number", f"name one of its metrics: {reference}.NAME")
        raise spot.problem(f"the task has no output {rest!r}", nearest(rest, component.outputs.parameters))
    if spec.type not in (ParameterType.NUMBER_INTEGER, ParameterType.NUMBER_DOUBLE):
        raise spot.problem(f"{rest!r} is a {spec.type}, and an objective is a number")
