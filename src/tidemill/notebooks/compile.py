"""The verb: a notebook file becomes a pipeline spec."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.analysis import Analysis
from tidemill.notebooks.block_yaml import block_yaml
from tidemill.notebooks.data_inputs import with_data_files
from tidemill.notebooks.files import data_files
from tidemill.notebooks.hidden_state import settle_hidden_state
from tidemill.notebooks.model import CompiledNotebook, Notebook
from tidemill.notebooks.modules import imports_of, local_modules
from tidemill.notebooks.outline import Outline, outline
from tidemill.notebooks.parameters import read_parameters
from tidemill.notebooks.prelude import walk_prelude
from tidemill.notebooks.read import read_notebook
from tidemill.notebooks.requirements import imported_requirements, needed_by_codecs
from tidemill.notebooks.spec import Target, make_platform, make_spec


def compile_notebook(
    path: Path,
    *,
    requirements: tuple[str, ...] | None = None,
    python: str | None = None,
    keep: tuple[str, ...] = (),
) -> CompiledNotebook:
    """Compile an `.ipynb`, or a `.py` in percent format, to a PipelineSpec; the same file gives the same bytes.

    `requirements` are the lines its steps are installed with; without them those of the notebook's metadata
    (`{"tidemill": {"requirements": [...]}}`), else its imports pinned as installed here. `python` is like `3.11`.
    `keep` names outputs, `train.model`, that a step hands out even when no later step takes them. Raises `InvalidInput`
    with cell and line for what cannot be analysed.
    """
    return compile_cells(read_notebook(path), path, requirements=requirements, python=python, keep=keep)


def compile_cells(
    notebook: Notebook,
    path: Path,
    *,
    requirements: tuple[str, ...] | None = None,
    python: str | None = None,
    keep: tuple[str, ...] = (),
) -> CompiledNotebook:
    """`compile_notebook` for cells that were read already; `path` is where their file stands."""
    outlined = outline(notebook)
    parameters, rest = read_parameters(outlined.parameters, outlined.notebook)
    outlined.prelude = sorted([*outlined.prelude, *rest], key=lambda prepared: prepared.cell.number)
    prelude = walk_prelude(outlined, parameters)
    analysis = Analysis(outlined, parameters, prelude)
    settle_hidden_state(analysis)
    _keep(analysis, keep)
    imports = imports_of(outlined)
    modules = local_modules(path.parent, imports, outlined)
    local = {name.partition("/")[0].removesuffix(".py") for name in modules}
    target = Target(
        name=_name(outlined, path),
        requirements=_requirements(outlined, requirements, imports, local),
        python=_python(outlined, python),
        modules=modules,
    )
    files = {step.task: data_files(analysis, analysis.flows[step.name], path.parent) for step in outlined.steps}
    spec = with_data_files(make_spec(analysis, target), files)
    return _compiled(analysis, target, spec, files)


def _compiled(
    analysis: Analysis, target: Target, spec: dict[str, Any], files: dict[str, tuple[str, ...]]
) -> CompiledNotebook:
    platform = make_platform(analysis)
    text = block_yaml(spec)
    steps = analysis.outline.steps
    return CompiledNotebook(
        name=target.name,
        spec=spec,
        platform=platform,
        yaml=text if platform is None else f"{text}---\n{block_yaml(platform)}",
        requirements=target.requirements,
        python=target.python,
        source_map={step.task: step.numbers for step in steps},
        before_every_step=tuple(prepared.cell.number for prepared in analysis.outline.prelude),
        files=files,
        warnings=tuple(dict.fromkeys(analysis.outline.warnings)),
        notes=tuple(dict.fromkeys(analysis.outline.notes)),
    )


def _keep(analysis: Analysis, keep: tuple[str, ...]) -> None:
    for wanted in keep:
        task, _, name = wanted.partition(".")
        flow = next((f for f in analysis.flows.values() if task in (f.step.name, f.step.task)), None)
        if flow is None:
            continue  # another pipeline's output, or one of another kind: who asks for it will say so
        recorder = flow.recorder
        if name in recorder.defined or name in recorder.mutated:
            analysis.give(flow.step.name, name)


def _name(outlined: Outline, path: Path) -> str:
    metadata = outlined.notebook.metadata
    kale = metadata.get("kubeflow_notebook")
    own = metadata.get("tidemill", {}).get("name")
    name = own or (kale.get("pipeline_name") if isinstance(kale, dict) else None) or path.stem
    made = re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-")
    return made or "notebook"


def _requirements(
    outlined: Outline, given: tuple[str, ...] | None, imports: dict[str, tuple[int, int]], local: set[str]
) -> tuple[str, ...]:
    own = outlined.notebook.metadata.get("tidemill", {}).get("requirements")
    if given is None and own is not None:
        if not isinstance(own, list) or not all(isinstance(line, str) for line in own):
            raise InvalidInput("metadata.tidemill.requirements is no list of texts", place=outlined.notebook.file_name)
        given = tuple(own)
    if given is None:
        given = (*imported_requirements(outlined, imports, local), *outlined.installs)
    return needed_by_codecs(given)


def _python(outlined: Outline, python: str | None) -> str:
    own = outlined.notebook.metadata.get("tidemill", {}).get("python")
    wanted = python or own or f"{sys.version_info.major}.{sys.version_info.minor}"
    if not isinstance(wanted, str) or not re.fullmatch(r"3\.\d{1,2}", wanted):
        raise InvalidInput(
            f"{wanted!r} is not a Python version", place=outlined.notebook.file_name, remedy="name one such as 3.11"
        )
    return wanted
