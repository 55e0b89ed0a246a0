"""A proposal of tags for a notebook that has none: which cells run before every step, and where steps begin."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.analysis import PROVIDED
from tidemill.notebooks.bonds import Bond, files_in, is_install, modules_of, shell_text
from tidemill.notebooks.flow import FlowRecorder, Outside
from tidemill.notebooks.headings import Heading, step_level, step_word
from tidemill.notebooks.magics import IGNORED, INSTALL, PreparedCell, magic_call
from tidemill.notebooks.model import Notebook
from tidemill.notebooks.parameters import read_parameters
from tidemill.notebooks.settings import seeds, setting_of
from tidemill.notebooks.stages import Stage, stage_of
from tidemill.notebooks.walk import Walked, import_names, is_import_only, walk
from tidemill.notebooks.word_list import words

_NO_STEPS = words("imports import libraries packages setup functions helpers parameters settings configuration")
"""Headings over cells that run before every step; a step that follows without its own heading is no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Cells, by number, that would be one step."""

    name: str
    cells: tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class Proposal:
    """`roles` are the tags of cells that belong to no step, by number; `groups` the steps in order."""

    roles: dict[int, str]
    groups: list[Group]

    def tags(self) -> dict[int, tuple[str, ...]]:
        """The tags to write, by cell; the cells after a step's first one join it without."""
        made: dict[int, tuple[str, ...]] = {number: (role,) for number, role in self.roles.items()}
        return made | {group.cells[0]: (f"step:{group.name}",) for group in self.groups}

    def holding(self, number: int) -> int | None:
        """The index of the step that a cell is in."""
        return next((index for index, group in enumerate(self.groups) if number in group.cells), None)

    def join(self, bond: Bond) -> bool:
        """Make one step of those that a bond spans; False when it is one already."""
        spanned = [i for i, g in enumerate(self.groups) if any(bond.first <= n <= bond.last for n in g.cells)]
        if len(spanned) < 2:
            return False
        first, last = spanned[0], spanned[-1]
        cells = tuple(number for group in self.groups[first : last + 1] for number in group.cells)
        self.groups[first : last + 1] = [Group(name=self.groups[first].name, cells=cells)]
        return True


class Cells:
    """The cells of a notebook that is to be split, each looked at by itself; `parameters_known`: a tag names them."""

    def __init__(self, cells: Sequence[PreparedCell], notebook: Notebook, *, metrics: set[int], known: bool) -> None:
        self.cells = cells
        self.notebook = notebook
        self.metrics = metrics
        self.parameters_known = known
        imported = {name for c in cells for s in c.tree.body if is_import_only(s) for name in import_names(s)}
        outside = Outside(is_import=imported.__contains__)
        self._walked = {c.cell.number: walk([c], FlowRecorder(outside), notebook) for c in cells}
        self._written = files_in("\n".join(shell_text(prepared) for prepared in cells))

    def propose(self, headings: Mapping[int, list[Heading]], barred: set[int]) -> Proposal:
        """Roles and steps; `barred` cells are part of a step whatever they look like."""
        roles = self._roles(barred)
        body = [prepared for prepared in self.cells if prepared.cell.number not in roles]
        groups = self._by_heading(body, headings)
        return Proposal(roles=roles, groups=groups if len(groups) > 1 else self._by_stage(body, groups))

    # --- cells that run before every step

    def _roles(self, barred: set[int]) -> dict[int, str]:
        barred = barred | self.metrics
        roles: dict[int, str] = {}
        known = set(PROVIDED)
        imported: set[str] = set()
        begun, running = self.parameters_known, False
        for prepared in self.cells:
            number = prepared.cell.number
            walked = self._walked[number]
            role = (
                None
                if number in barred or not prepared.tree.body
                else self._role(prepared, imported, known, first=not running)
            )
            if role is None and not begun and number not in barred and self._are_parameters(prepared):
                role = "pipeline-parameters"
            if role is None:
                running = running or bool(prepared.tree.body)
            begun = begun or running or role == "pipeline-parameters"
            if role is not None:
                roles[number] = role
                known |= set(walked.recorder.defined)
                imported |= walked.recorder.imported
        return roles

    def _role(self, prepared: PreparedCell, imported: set[str], known: set[str], *, first: bool) -> str | None:
        """`first`: no cell of a step stands above, so that a setting of the process may come before every step."""
        walked = self._walked[prepared.cell.number]
        if prepared.capture or shell_text(prepared) or not self._alone(prepared.cell.number):
            return None
        names = imported | walked.recorder.imported
        kinds = {_kind(statement, prepared, names) for statement in prepared.tree.body}
        needs = {name for name, use in walked.recorder.uses.items() if use.hard}
        if kinds <= {"import", "text"} or (first and kinds <= {"import", "setting", "text"}):
            return "imports" if kinds != {"text"} and needs <= known | names and self._is_there(prepared) else None
        if "definition" in kinds and kinds <= {"import", "text", "definition", "constant"} and needs <= known:
            stateful = any(facts.keeps_state for facts in walked.recorder.path.facts.values())
            return None if stateful else "functions"
        return None

    def _alone(self, number: int) -> bool:
        """No other cell binds or changes what this one binds, but for the same import."""
        mine = self._walked[number]
        for name in mine.recorder.defined:
            for other, theirs in self._walked.items():
                changed = {name for name, change in theirs.recorder.mutated.items() if change.surely}
                touched = {*theirs.recorder.defined, *theirs.recorder.deleted, *changed}
                if other != number and (name in touched or name in _written_by_functions(theirs)):
                    binding, same = mine.binding_of(name), theirs.binding_of(name)
                    if binding is None or same is None or binding.source != same.source:
                        return False
        return True

    def _is_there(self, prepared: PreparedCell) -> bool:
        """False for an import of a module that a cell of the notebook writes first."""
        modules = [name for node in ast.walk(prepared.tree) for name in modules_of(node)]
        return not any(f"{name}.py" in self._written for name in modules)

    def _are_parameters(self, prepared: PreparedCell) -> bool:
        try:
            found, rest = read_parameters([prepared], self.notebook)
        except InvalidInput:
            return False
        return bool(found) and not rest

    # --- steps

    def _by_heading(self, body: Sequence[PreparedCell], headings: Mapping[int, list[Heading]]) -> list[Group]:
        level = step_level(headings.values())
        pending: str | None = None
        groups: list[tuple[str, list[int]]] = []
        places = iter(sorted(headings))
        place = next(places, None)
        for prepared in body:
            number = prepared.cell.number
            while place is not None and place <= number:
                pending = next((h.text for h in reversed(headings[place]) if h.level <= level), pending)
                place = next(places, None)
            follows = not prepared.tree.body or number in self.metrics
            if groups and (pending is None or follows):
                groups[-1][1].append(number)
            else:
                name = step_word(pending or "")
                if not name or name in _NO_STEPS:
                    stage = stage_of(prepared.tree, after=None, makes=True)
                    name = stage.value if stage else "step"
                groups.append((name, [number]))
                pending = None
        return _named(groups)

    def _by_stage(self, body: Sequence[PreparedCell], whole: list[Group]) -> list[Group]:
        """Without headings: by what cells do, from loading data to judging a model."""
        groups: list[tuple[str, list[int]]] = []
        now: Stage | None = None
        for prepared in body:
            number = prepared.cell.number
            recorder = self._walked[number].recorder
            makes = bool(recorder.defined or recorder.mutated)
            stage = None if number in self.metrics else stage_of(prepared.tree, after=now, makes=makes)
            if groups and stage in (None, now):
                groups[-1][1].append(number)
            else:
                now = stage or Stage.PREPARE
                groups.append((now.value, [number]))
        return _named(groups) if len(groups) > 1 else whole


def _named(groups: list[tuple[str, list[int]]]) -> list[Group]:
    """Each with a name of its own: the second `train` is `train_2`."""
    made: list[Group] = []
    taken: set[str] = set()
    for name, cells in groups:
        free, count = name, 1
        while free in taken:
            count += 1
            free = f"{name}_{count}"
        taken.add(free)
        made.append(Group(name=free, cells=tuple(cells)))
    return made


def _kind(statement: ast.stmt, prepared: PreparedCell, imported: set[str]) -> str:
    if is_import_only(statement):
        return "import"
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return "definition"
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return "text"
    if isinstance(statement, ast.Expr) and _is_inert(statement.value):
        return "import"
    setting = setting_of(statement, prepared, is_import=lambda name: name in imported)
    if setting is not None and not setting.variables and not seeds(statement):
        return "setting"
    return "constant" if _is_constant(statement) else "other"


def _is_inert(value: ast.expr) -> bool:
    """`%matplotlib`, an install: nothing that a step would run."""
    _, name, line = magic_call(value) or ("", "", "")
    return name in IGNORED | INSTALL or is_install(line)


def _is_constant(statement: ast.stmt) -> bool:
    """A name in capitals for a number or a text."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Constant):
        return False
    return all(isinstance(target, ast.Name) and target.id.isupper() for target in statement.targets)


def _written_by_functions(walked: Walked) -> set[str]:
    facts = walked.recorder.path.facts.values()
    return {name for each in facts for name in (*each.writes, *each.mutates)}
