"""The verb prepare: a file that a person names becomes a pipeline with its parameters, ready to be submitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.base.errors import InvalidInput, NotFound
from tidemill.pipelines import Pipeline, load_pipeline, parse_arguments
from tidemill.project.load import find_project, load_project
from tidemill.project.model import Project
from tidemill.project.source import load_source

if TYPE_CHECKING:
    from tidemill.notebooks import CompiledNotebook

NOTEBOOK_SUFFIXES = frozenset({".ipynb", ".py"})
PIPELINE_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A pipeline ready to be submitted: `text` is its spec, `folder` where its data files are.

    `origin` is what a run remembers of where it came from; `warnings` and `notes` are those of the compile, `notebook`
    all that it gave.
    """

    pipeline: Pipeline
    text: str
    folder: Path
    parameters: dict[str, Any]
    origin: dict[str, Any]
    experiment: str = "Default"
    project: Project | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    notebook: CompiledNotebook | None = None


def prepare(path: Path | None, given: Mapping[str, str]) -> Prepared:
    """Compile the notebook, or read the pipeline, that `path` names: the project's own when it is None.

    A notebook that a `tidemill.toml` beside it declares is compiled as the project says. `given` are parameters as
    text. Raises `InvalidInput` with file and place, `NotFound` for a file that is not there.
    """
    chosen = _chosen(path)
    project = _project_of(chosen)
    prepared = _from_project(project) if project is not None else _from_file(chosen)
    values = parse_arguments(prepared.pipeline, given)
    return replace(prepared, parameters={**prepared.parameters, **values})


def _chosen(path: Path | None) -> Path:
    if path is None:
        found = find_project(Path.cwd())
        if found is None:
            raise NotFound(
                "there is no tidemill.toml here or above",
                place=str(Path.cwd()),
                remedy="name a notebook or a pipeline, or write a project file: tidemill init",
            )
        return found
    if not path.exists():
        raise NotFound("there is no such file", place=str(path), remedy="name a notebook or a pipeline that is there")
    return path.absolute()


def _project_of(path: Path) -> Project | None:
    """The project that the file is the source of, None when it stands for itself."""
    if path.suffix == ".toml" or path.is_dir():
        return load_project(path)
    found = find_project(path.parent)
    if found is None:
        return None
    project = load_project(found)
    return project if project.source == path else None


def _from_project(project: Project) -> Prepared:
    source = load_source(project)
    compiled = source.notebook
    file = project.source
    text = file.read_text() if compiled is None else compiled.yaml
    return Prepared(
        pipeline=source.pipeline,
        text=text,
        folder=file.parent,
        parameters=dict(project.parameters),
        origin={"file": file.name, "project": project.name},
        experiment=project.experiment or "Default",
        project=project,
        warnings=tuple(map(str, compiled.warnings)) if compiled else (),
        notes=tuple(map(str, compiled.notes)) if compiled else (),
        notebook=compiled,
    )


def _from_file(path: Path) -> Prepared:
    if path.suffix in PIPELINE_SUFFIXES:
        text = _text(path)
        pipeline = load_pipeline(text, place=path.name)
        return Prepared(pipeline=pipeline, text=text, folder=path.parent, parameters={}, origin={"file": path.name})
    if path.suffix not in NOTEBOOK_SUFFIXES:
        raise InvalidInput(
            "is neither a notebook nor a pipeline", place=str(path), remedy="name an .ipynb, .py, .yaml or .json file"
        )
    from tidemill.notebooks import compile_notebook  # the analysis of cells, for notebooks only

    compiled = compile_notebook(path)
    return Prepared(
        pipeline=load_pipeline(compiled.yaml, place=path.name),
        text=compiled.yaml,
        folder=path.parent,
        parameters={},
        origin={"file": path.name},
        warnings=tuple(map(str, compiled.warnings)),
        notes=tuple(map(str, compiled.notes)),
        notebook=compiled,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise InvalidInput(
            f"is not UTF-8 at byte {problem.start}", place=str(path), remedy="save it as UTF-8"
        ) from problem
