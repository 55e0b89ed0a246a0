"""`tidemill notebook`: a notebook's steps, tags for one that has none, and its pipeline as a module of `kfp`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidemill.base.errors import Conflict, InvalidInput, NotFound
from tidemill.cli.context import JsonOption
from tidemill.cli.output import note, print_json, print_table, say, wrapped

if TYPE_CHECKING:
    from tidemill.notebooks import CompiledNotebook, Split
    from tidemill.project.prepare import Prepared


def add_to(app: typer.Typer) -> None:
    """Add the noun to the command tree."""
    notebook = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Notebooks and their steps.")
    for verb in (show, split, eject):
        notebook.command()(verb)
    app.add_typer(notebook, name="notebook")


def show(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A notebook; the project's own when not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the steps of a notebook: their cells, what each takes from which step, and what it gives.

    Examples: tidemill notebook show; tidemill notebook show churn.ipynb
    """
    from tidemill.project.prepare import prepare

    prepared = prepare(file, {})
    compiled = _notebook(prepared)
    if as_json:
        print_json(_as_json(prepared.origin["file"], compiled))
        return
    _say_remarks(compiled)
    say(f"{prepared.origin['file']}: pipeline {compiled.name}, Python {compiled.python}")
    _say_list("before every step", [f"cell {number}" for number in compiled.before_every_step])
    _say_list("parameters", [f"{name}={_default(spec)}" for name, spec in _parameters(compiled).items()])
    _say_steps(compiled)
    _say_list("requirements", compiled.requirements)


def split(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A notebook whose cells have no step tags.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The new notebook; NAME-steps.ipynb when not given.")
    ] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Write the tags into the notebook itself.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tag a notebook's cells as steps, by its headings and data flow; nothing but tags changes.

    What has to share a process stays in one step, and the result is compiled before it is written.

    Examples: tidemill notebook split churn.ipynb; tidemill notebook split churn.ipynb --in-place
    """
    from tidemill.notebooks import split_notebook

    target = _target(file, output, in_place=in_place)
    made = split_notebook(file)
    _write(target, made.data)
    if as_json:
        print_json({**_as_json(target.name, made.compiled), "tags": made.tags, "joined": _joined(made)})
        return
    _say_remarks(made.compiled)
    for joined in _joined(made):
        note(wrapped(f"note: cells {joined['first']} to {joined['last']} stay in one step: {joined['reason']}"))
    for name, cells in _tagged(made).items():
        _say_list(name, cells)
    _say_steps(made.compiled)
    say(f"wrote {target}; next: tidemill run {shlex.quote(str(target))}")


def eject(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A notebook; the project's own when not given.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The new module, - to print it; NAME_pipeline.py if not given."),
    ] = None,
) -> None:
    """Write a notebook's pipeline as a readable module of the kfp SDK, which compiles to the same pipeline.

    From then on the module stands for itself: nothing that changes in it goes back to the notebook.

    Examples: tidemill notebook eject; tidemill notebook eject churn.ipynb -o churn_pipeline.py
    """
    from tidemill.notebooks import eject as module_of
    from tidemill.project.prepare import prepare

    compiled = _notebook(prepare(file, {}))
    text = module_of(compiled)
    if output is not None and str(output) == "-":
        say(text.rstrip("\n"))
        return
    target = _new_file(output or Path(f"{compiled.name.replace('-', '_')}_pipeline.py"), ".py", "a Python module")
    _write(target, text.encode("utf-8"))
    _say_remarks(compiled)
    say(f"wrote {target}; next:")
    say(f"kfp dsl compile --py {target} --output {target.with_suffix('.yaml')}")


def _notebook(prepared: Prepared) -> CompiledNotebook:
    if prepared.notebook is None:
        raise InvalidInput(
            "is a pipeline, not a notebook",
            place=prepared.origin["file"],
            remedy="tidemill check looks at pipelines; name an .ipynb here",
        )
    return prepared.notebook


def _target(file: Path, output: Path | None, *, in_place: bool) -> Path:
    """Where the new notebook goes; refuses what would write over another file."""
    if in_place and output is not None:
        raise InvalidInput("-o and --in-place name two places", remedy="give one of them")
    if in_place:
        return file.resolve()  # the file behind a link, not the link
    return _new_file(
        output or file.with_name(f"{file.stem}-steps.ipynb"), ".ipynb", "a notebook", remedy=", or --in-place"
    )


def _new_file(target: Path, suffix: str, kind: str, *, remedy: str = "") -> Path:
    """A path that can be written to; refuses one that is there already."""
    if target.suffix != suffix:
        raise InvalidInput(f"is no name for {kind}", place=str(target), remedy=f"let it end in {suffix}")
    if target.exists():
        raise Conflict("is there already", place=str(target), remedy=f"another name with -o{remedy}")
    if not target.parent.is_dir():
        raise NotFound("there is no such folder", place=str(target.parent), remedy="make it, or another name with -o")
    return target


def _write(target: Path, data: bytes) -> None:
    """Put the file in its place whole or not at all; one that is replaced keeps its permissions."""
    temporary = target.with_name(f".{target.name}.new")
    try:
        temporary.write_bytes(data)
        if target.exists():
            temporary.chmod(target.stat().st_mode)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _joined(made: Split) -> list[dict[str, Any]]:
    return [{"first": bond.first, "last": bond.last, "reason": bond.reason} for bond in made.bonds]


def _tagged(made: Split) -> dict[str, list[str]]:
    """The cells that got each tag that is no step's."""
    found: dict[str, list[str]] = {}
    for number, tags in sorted(made.tags.items()):
        for tag in tags:
            if not tag.startswith("step:"):
                found.setdefault(tag, []).append(f"cell {number}")
    return found


def _say_remarks(compiled: CompiledNotebook) -> None:
    for warning in compiled.warnings:
        note(wrapped(f"warning: {warning}"))
    for remark in compiled.notes:
        note(wrapped(f"note: {remark}"))


def _say_steps(compiled: CompiledNotebook) -> None:
    from tidemill.notebooks import steps_of

    rows = []
    for step in steps_of(compiled):
        takes = [f"{producer}: {', '.join(names)}" for producer, names in _by_producer(step.takes).items()]
        takes += [f"parameters: {', '.join(step.parameters)}"] if step.parameters else []
        takes += [f"files: {', '.join(step.files)}"] if step.files else []
        takes += [f"waits for {', '.join(step.after)}"] if step.after else []
        rows.append((step.name, _ranges(step.cells), "\n".join(takes) or "-", ", ".join(step.gives) or "-"))
    print_table(["STEP", "CELLS", "TAKES", "GIVES"], rows, empty="it has no steps")


def _say_list(title: str, items: list[str] | tuple[str, ...]) -> None:
    if items:
        say(wrapped(f"{title}: {', '.join(items)}"))


def _by_producer(takes: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for variable, producer in takes.items():
        found.setdefault(producer, []).append(variable)
    return found


def _ranges(numbers: tuple[int, ...]) -> str:
    """`4, 6-8` for 4, 6, 7, 8."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _parameters(compiled: CompiledNotebook) -> dict[str, dict[str, Any]]:
    """The parameters that cells name; those of data files stand with the files."""
    from tidemill.notebooks import steps_of

    everything: dict[str, dict[str, Any]] = compiled.spec["root"].get("inputDefinitions", {}).get("parameters", {})
    used = {name for step in steps_of(compiled) for name in step.parameters}
    return {name: spec for name, spec in everything.items() if name in used or "isOptional" in spec}


def _default(spec: dict[str, Any]) -> Any:
    """The default as Python has it; a PipelineSpec writes whole numbers as 2.0."""
    value = spec.get("defaultValue")
    return int(value) if spec["parameterType"] == "NUMBER_INTEGER" and isinstance(value, float) else value


def _as_json(file: str, compiled: CompiledNotebook) -> dict[str, Any]:
    from tidemill.notebooks import steps_of

    steps = [
        {
            "name": step.name,
            "task": step.task,
            "cells": step.cells,
            "takes": step.takes,
            "gives": step.gives,
            "parameters": step.parameters,
            "files": step.files,
            "after": step.after,
        }
        for step in steps_of(compiled)
    ]
    return {
        "file": file,
        "pipeline": compiled.name,
        "python": compiled.python,
        "before_every_step": compiled.before_every_step,
        "parameters": {name: _default(spec) for name, spec in _parameters(compiled).items()},
        "steps": steps,
        "requirements": compiled.requirements,
        "warnings": [str(warning) for warning in compiled.warnings],
        "notes": [str(remark) for remark in compiled.notes],
    }
