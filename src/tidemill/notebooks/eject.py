"""The verb eject: the pipeline of a compiled notebook as a readable module of the `kfp` SDK.

The module compiles, with the released `kfp`, to the pipeline that the notebook compiles to: the same tasks, the same
programs of steps, so that an engine finds in its cache what ran before. Only importers are called as `kfp` calls them.
"""

from __future__ import annotations

import json
import re

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.ejected_names import Names, kfp_name
from tidemill.notebooks.ejected_pipeline import pipeline_text
from tidemill.notebooks.ejected_steps import EjectedStep, Shared, step_text
from tidemill.notebooks.model import CompiledNotebook
from tidemill.notebooks.program import MAX_ARGUMENT_BYTES
from tidemill.notebooks.python_text import Name, literal, text_literal

_IMPORTER = re.compile(r"importer(-\d+)?")
_OWN_CONSTANT = re.compile(r"(CELL|CODE|MODULE)_\d+")
_COMMAND = re.compile(r"(?P<install>[^']*)(?P<lines>'[^']*'(?: '[^']*')*)(?P<rest>[^']*)")
_ARGUMENTS = '''def {arguments}(program, files=None):
    """The arguments of a step: its program as JSON in which nothing is a placeholder of KFP, Argo or Kubernetes."""
    program = {{"schema_version": {version}, "notebook": NOTEBOOK, "prelude": BEFORE_EVERY_STEP, **program}}
    text = as_json(program)
    size = len(text) if len(text.encode()) <= {whole} else {part}  # Linux takes 128 KiB in one argument
    made = ["--executor_input", "{{{{$}}}}"]
    for start in range(0, len(text), size):
        made += ["--program", text[start : start + size]]
    return made + ["--files", as_json(files)] if files else made


def as_json(value):
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("$", "\\\\u0024").replace("{{{{", "{{\\\\u007b")
'''


def eject(compiled: CompiledNotebook) -> str:
    """The source of the module; raises `InvalidInput` with the cell for what `kfp` has no way to say."""
    steps = [_step(compiled, task) for task in compiled.source_map]
    notebook = steps[0].program["notebook"]
    _check_names(compiled, steps, notebook)
    names = Names.of(compiled.spec, steps)
    shared = Shared.of(steps)
    body = [_constants(steps[0], names, shared)]
    for step in steps:
        cells = "\n".join(f"# Cell {number}.\n{code}" for number, code in shared.own_cells(step))
        body += [cells, step_text(step, names, shared)]
    body.append(pipeline_text(compiled, steps, names))
    text = "\n\n".join(body)
    return _head(compiled, notebook, names, optional="Optional[" in text) + text


def _step(compiled: CompiledNotebook, task: str) -> EjectedStep:
    component = compiled.spec["components"][compiled.spec["root"]["dag"]["tasks"][task]["componentRef"]["name"]]
    container = compiled.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
    given: dict[str, str] = {}
    for word, text in zip(container["args"][::2], container["args"][1::2], strict=True):
        given[word] = given.get(word, "") + text
    return EjectedStep(
        task=task,
        cells=compiled.source_map[task],
        component=component,
        container=container,
        program=json.loads(given["--program"]),
        files=json.loads(given.get("--files", "{}")),
    )


def _check_names(compiled: CompiledNotebook, steps: list[EjectedStep], notebook: str) -> None:
    for step in steps:
        place = f"{notebook}, cell {step.cells[0]}"
        if _IMPORTER.fullmatch(step.task) and any(compiled.files.values()):
            raise InvalidInput(
                f"the step {step.task} is called as kfp calls what imports data files",
                place=place, remedy="rename the step",
            )  # fmt: skip
        inputs = compiled.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        for variable in (*step.outputs, *(name for name in step.given if name in inputs)):
            if not kfp_name(variable) or _OWN_CONSTANT.fullmatch(variable):
                raise InvalidInput(
                    f"kfp takes no `{variable}` as the name of an output or a parameter: it begins with a letter and "
                    "has letters, digits and _ of ASCII only, and CELL_1 is the module's own",
                    place=place, remedy="rename the variable",
                )  # fmt: skip
        if any("\ud800" <= character <= "\udfff" for character in json.dumps(step.program, ensure_ascii=False)):
            raise InvalidInput("holds half a character (a lone surrogate)", place=place, remedy="escape it")


def _head(compiled: CompiledNotebook, notebook: str, names: Names, *, optional: bool) -> str:
    lines = [
        f'"""The pipeline {compiled.name}, from the notebook {_plain(notebook)}.',
        "",
        "`tidemill notebook eject` wrote it; nothing that changes here goes back to the notebook. With the kfp SDK it",
        "compiles to the pipeline that the notebook compiles to:",
        "",
        "    kfp dsl compile --py THIS_FILE --output pipeline.yaml",
        "",
        "Each step is the author's own cells; `tidemill_runtime.step` runs them with the variables that go in and out.",
        '"""',
        "",
        "import json",
        *(["from typing import Optional"] if optional else []),
        "",
        *(_import(name, own) for name, own in _from_kfp(compiled, names)),
    ]
    return "\n".join(lines) + "\n\n"


def _from_kfp(compiled: CompiledNotebook, names: Names) -> list[tuple[str, str]]:
    return [("dsl", names.dsl), *([("kubernetes", names.kubernetes)] if compiled.platform is not None else [])]


def _import(name: str, own: str) -> str:
    return f"from kfp import {name}" + (f" as {own}" if own != name else "")


def _plain(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii").replace('"', "'")


def _constants(first: EjectedStep, names: Names, shared: Shared) -> str:
    lines = [f"NOTEBOOK = {literal(first.program['notebook'])}", f"IMAGE = {literal(shared.image)}"]
    lines += [*_command(shared.command), ""]
    for number, code in shared.prelude:
        lines += [f"# Cell {number}, which runs before every step.", code]
    for name, path, text in shared.modules:
        lines += [f"# {_plain(path)}, beside the notebook.", f"{name} = {text_literal(text)}", ""]
    if shared.modules:
        lines += [f"MODULES = {literal(shared.module_table)}"]
    lines += [f"BEFORE_EVERY_STEP = {literal(shared.prelude_table)}", "", ""]
    helper = _ARGUMENTS.format(
        arguments=names.arguments,
        version=first.program["schema_version"],
        whole=MAX_ARGUMENT_BYTES,
        part=MAX_ARGUMENT_BYTES // 4,
    )
    return "\n".join(lines) + "\n" + helper


def _command(command: list[str]) -> list[str]:
    """The command, with the requirements that it installs as a list."""
    found = _COMMAND.fullmatch(command[2]) if len(command) > 2 else None
    if found is None:
        return [f"COMMAND = {literal(command)}"]
    lines = found["lines"].strip("'").split("' '")
    install = '" ".join(f"\'{line}\'" for line in REQUIREMENTS)'
    shown = [Name(f"{literal(found['install'])} + {install} + {literal(found['rest'])}")]
    return [
        f"REQUIREMENTS = {literal(lines)}",
        f"COMMAND = {literal([*command[:2], *shown, *command[3:]])}",
    ]
