"""The pipeline of a project: its notebook compiled, or its PipelineSpec read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidemill.base.errors import InvalidInput, NotFound
from tidemill.pipelines import Pipeline, load_pipeline
from tidemill.project.model import Project

if TYPE_CHECKING:
    from tidemill.notebooks import CompiledNotebook


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSource:
    """The pipeline, and what its notebook compiled to (None for a project with a PipelineSpec)."""

    pipeline: Pipeline
    notebook: CompiledNotebook | None


def load_source(project: Project) -> ProjectSource:
    """Compile the project's notebook, or read its pipeline.

    Outputs that the project file names are handed out by their steps even where no other step takes them. Raises
    `InvalidInput` with cell and line, or with the field.
    """
    source = project.source
    if not source.is_file():
        key = "notebook" if project.notebook else "pipeline"
        line = project.lines.get(("project", key), 1)
        raise InvalidInput(
            f"there is no file {source.name}",
            place=f"{project.path}:{line}: project.{key}",
            remedy="name one that is there",
        )
    _demand_data(project)
    if project.pipeline:
        return ProjectSource(pipeline=load_pipeline(source.read_bytes(), place=project.pipeline), notebook=None)
    from tidemill.notebooks import compile_notebook  # the analysis of cells, for notebooks only

    compiled = compile_notebook(
        source,
        requirements=project.requirements or None,
        python=project.python or None,
        keep=named_outputs(project),
    )
    return ProjectSource(pipeline=load_pipeline(compiled.yaml, place=project.notebook), notebook=compiled)


def _demand_data(project: Project) -> None:
    """Data that the project declares is there, or has a version to pull."""
    for name, dataset in project.data.items():
        path = project.folder / dataset.path
        if path.exists() or path.with_name(path.name + ".dvc").exists():
            continue
        raise NotFound(
            f"there is no {dataset.path} here",
            place=f"{project.path}:{project.lines.get(('data', name, 'path'), 1)}: data.{name}.path",
            remedy="bring the file here, or correct the path",
        )


def named_outputs(project: Project) -> tuple[str, ...]:
    """Every `task.output` that the project file names, sorted; without the objective, which is a number in metrics."""
    found: set[str] = set()
    if project.model is not None:
        model = project.model
        found.update(output for output in (model.output, model.sample, model.profile, model.target) if output)
    for policy in (project.gate, *(environment.gate for environment in project.environments.values())):
        found.update(output for _, output in policy_outputs(policy))
    return tuple(sorted(found))


def policy_outputs(policy: Any) -> list[tuple[tuple[str, str], str]]:
    """The outputs in the rules of a policy about rows, each with the table and the key that name it."""
    named = (
        *(("hygiene", key) for key in ("evaluation", "training", "tuning")),
        *((table, key) for table in ("challenger", "leak") for key in ("rows", "target")),
    )
    return [
        ((table, key), output.strip())
        for table, key in named
        for entry in _texts(policy.get(table, {}).get(key, []))
        for output in entry.split(" + ")
    ]


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
