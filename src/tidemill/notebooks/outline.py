"""The outline of a notebook: which cells form which step, by their tags."""

from __future__ import annotations

import ast
import difflib
import re
import shlex
from dataclasses import dataclass, field

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.magics import PreparedCell, prepare
from tidemill.notebooks.model import Notebook, Remark
from tidemill.notebooks.tags import CellTags, Role, read_tags

WHOLE_NOTEBOOK = "notebook"
FIRST_STEP = "start"
_WHOLE = "no cell is tagged as a step, so the whole notebook is one step"
_KNOWN_METADATA = frozenset({"requirements", "python", "name", "data"})


@dataclass(slots=True, kw_only=True)
class Step:
    """One step: its cells in the notebook's order and the joined options of their tags."""

    name: str
    task: str
    cells: list[PreparedCell] = field(default_factory=list)
    metric_cells: set[int] = field(default_factory=set)
    tags: CellTags = field(default_factory=CellTags)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of its cells."""
        return tuple(prepared.cell.number for prepared in self.cells)


@dataclass(slots=True, kw_only=True)
class Outline:
    """A notebook cut into what runs before each step (`prelude`), parameters, and steps in order of first cell."""

    notebook: Notebook
    prelude: list[PreparedCell] = field(default_factory=list)
    parameters: list[PreparedCell] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    installs: list[str] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)

    def note(self, message: str, cell: int, line: int | None = None) -> None:
        """Something to know that changes nothing."""
        self.notes.append(Remark(message=message, place=self.notebook.place(cell, line)))

    def warn(self, message: str, cell: int, line: int | None = None, together: tuple[int, ...] = ()) -> None:
        """Something that may make a run differ from the notebook, unless `together` were cells of one step."""
        self.warnings.append(Remark(message=message, place=self.notebook.place(cell, line), cells=together))

    def advise(self, message: str, cell: int, line: int) -> None:
        """A warning that stays true until the person who reads it does something."""
        self.warnings.append(Remark(message=message, place=self.notebook.place(cell, line), is_advice=True))

    def step(self, name: str) -> Step | None:
        """The step of that name."""
        return next((step for step in self.steps if step.name == name), None)


def task_name(step: str) -> str:
    """The name of a step as Kubeflow takes it: lower case with single dashes, `load_data` → `load-data`."""
    return re.sub("[-_]+", "-", step.lower()).strip("-")


def outline(notebook: Notebook) -> Outline:
    """Cut a notebook into steps; raises `InvalidInput` with the cell for tags and cells that cannot be read."""
    made = Outline(notebook=notebook)
    tagged = [(cell, read_tags(cell.tags, place=notebook.place(cell.number))) for cell in notebook.cells]
    whole = all(tags.role in (Role.UNTAGGED, Role.SKIP, Role.PARAMETERS, Role.METRICS) for _, tags in tagged)
    for cell, tags in tagged:
        if tags.foreign:
            made.note(f"tags that mean nothing here: {', '.join(tags.foreign)}", cell.number)
        if tags.role is Role.SKIP:
            continue
        prepared = prepare(cell, place=notebook.place(cell.number))
        _note_magics(made, prepared)
        if cell.source.strip():
            _place(made, prepared, tags, whole=whole)
    if not made.steps:
        raise InvalidInput("has no cell that runs in a step", place=notebook.file_name, remedy="tag a cell step:NAME")
    if whole:
        made.note(_WHOLE + _way_out(notebook), made.steps[0].numbers[0])
    _check_previous(made)
    _note_metadata(made)
    return made


def _way_out(notebook: Notebook) -> str:
    if not notebook.file_name.endswith(".ipynb"):
        return '; tag the first cell of each: # %% tags=["step:NAME"]'
    return f"; to cut it into steps: tidemill notebook split {shlex.quote(notebook.file_name)}"


def _note_magics(made: Outline, prepared: PreparedCell) -> None:
    made.installs += prepared.installs
    if prepared.installs:
        made.note(f"not run in a step; a requirement instead: {', '.join(prepared.installs)}", prepared.cell.number)
    ignored = [magic for magic in prepared.ignored if magic not in ("%matplotlib",)]
    if ignored:
        made.note(f"without effect in a step: {', '.join(ignored)}", prepared.cell.number)


def _place(made: Outline, prepared: PreparedCell, tags: CellTags, *, whole: bool) -> None:
    number = prepared.cell.number
    if tags.role in (Role.IMPORTS, Role.FUNCTIONS):
        made.prelude.append(prepared)
    elif tags.role is Role.PARAMETERS:
        made.parameters.append(prepared)
    elif tags.role is Role.STEP:
        assert tags.step is not None
        _join(_step_named(made, tags.step, number), prepared, tags)
    elif not made.steps and not whole and tags.role is Role.UNTAGGED and _only_defines(prepared.tree):
        made.note("only imports and definitions before the first step: they run before every step", number)
        made.prelude.append(prepared)
    else:
        step = made.steps[-1] if made.steps else _step_named(made, WHOLE_NOTEBOOK if whole else FIRST_STEP, number)
        _join(step, prepared, tags)
        if tags.role is Role.METRICS:
            step.metric_cells.add(number)


def _only_defines(tree: ast.Module) -> bool:
    """True for imports, function and class definitions, docstrings and calls on IPython."""
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return all(
        isinstance(node, kinds)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Expr) and "get_ipython" in ast.dump(node))
        for node in tree.body
    )


def _step_named(made: Outline, name: str, number: int) -> Step:
    found = made.step(name)
    if found is not None:
        return found
    if name == FIRST_STEP and number:
        made.note("cells above the first step form a step of their own", number)
    step = Step(name=name, task=task_name(name))
    twin = next((other for other in made.steps if other.task == step.task), None)
    if twin is not None:
        raise InvalidInput(
            f"the steps {twin.name} and {name} have one name on Kubeflow, {step.task}",
            place=made.notebook.place(number),
            remedy="rename one of them",
        )
    made.steps.append(step)
    return step


def _join(step: Step, prepared: PreparedCell, tags: CellTags) -> None:
    step.cells.append(prepared)
    mine = step.tags
    mine.previous += [name for name in tags.previous if name not in mine.previous]
    for name in ("options", "limits", "annotations", "labels"):
        getattr(mine, name).update(getattr(tags, name))
    mine.secrets += tags.secrets
    mine.needs += tags.needs
    mine.provides += tags.provides


def _check_previous(made: Outline) -> None:
    names = [step.name for step in made.steps]
    for step in made.steps:
        for previous in step.tags.previous:
            if previous == step.name:
                raise InvalidInput(
                    f"the step {step.name} comes before itself", place=made.notebook.place(step.numbers[0]),
                    remedy=f"take away prev:{previous}",
                )  # fmt: skip
            if previous not in names:
                near = difflib.get_close_matches(previous, names, n=1)
                hint = f"did you mean prev:{near[0]}?" if near else f"the steps are {', '.join(names)}"
                raise InvalidInput(
                    f"prev:{previous} names no step", place=made.notebook.place(step.numbers[0]), remedy=hint
                )


def _note_metadata(made: Outline) -> None:
    own = made.notebook.metadata.get("tidemill", {})
    if not isinstance(own, dict):
        raise InvalidInput("metadata.tidemill is no object", place=made.notebook.file_name)
    for key in sorted(set(own) - _KNOWN_METADATA):
        made.warnings.append(
            Remark(message=f"the metadata key tidemill.{key} is not known", place=made.notebook.file_name)
        )
