"""Finding the step that a variable comes from: the nearest one upstream that binds it or changes it."""

from __future__ import annotations

import ast

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.facts import Spot
from tidemill.notebooks.graph import StepGraph
from tidemill.notebooks.outline import Outline, Step
from tidemill.notebooks.scope import captured_name, pattern_names
from tidemill.notebooks.walk import Walked


class Producers:
    """Which steps leave which names behind; grows as steps are walked in an order that can run."""

    def __init__(self, outline: Outline, graph: StepGraph, prelude: Walked) -> None:
        self._outline = outline
        self._graph = graph
        self._prelude = prelude
        self._walked: dict[str, Walked] = {}
        self._warned: set[tuple[str, str]] = set()
        self._everything = _names_bound_anywhere(outline)

    def add(self, step: str, walked: Walked) -> None:
        """A step was walked: later ones may take from it."""
        self._walked[step] = walked

    def leaves(self, step: str, name: str) -> bool:
        """True when a walked step binds, changes or deletes the name."""
        walked = self._walked.get(step)
        if walked is None:
            return False
        recorder = walked.recorder
        if name in recorder.defined or name in recorder.deleted:
            return True
        changed = recorder.mutated.get(name)
        # an object of the prelude is made anew in every step: only what surely changes it makes a version
        return changed is not None and (changed.surely or name not in self._prelude.recorder.defined)

    def _surely(self, step: str, name: str) -> bool:
        recorder = self._walked[step].recorder
        changed = recorder.mutated.get(name)
        return name in recorder.defined or name in recorder.deleted or (changed is not None and changed.surely)

    def find(self, step: Step, name: str, spot: Spot | None = None, *, warn: bool = False) -> str | None:
        """The step that gives `name` to `step`, None when no step does.

        With `prev` tags: the nearest of the steps upstream; two that are not ordered raise `InvalidInput` with both.
        Without: the last one above, as in the kernel.
        """
        earlier = [other for other in self._walked if self.leaves(other, name) and other != step.name]
        if not step.tags.previous:
            above = [other for other in earlier if self._graph.index(other) < self._graph.index(step.name)]
            above = above or [other for other in earlier if other in self._graph.ancestors(step.name)]
            return max(above, key=self._graph.index) if above else None
        upstream = self._graph.ancestors(step.name)
        nearest = self._nearest([other for other in earlier if other in upstream], step, name, spot, warn)
        if nearest is not None or name in self._prelude.recorder.defined:
            return nearest
        beside = [other for other in earlier if self._graph.index(other) < self._graph.index(step.name)]
        found = self._nearest(beside, step, name, spot, warn)
        if found is not None and warn and (step.name, name) not in self._warned:
            self._warned.add((step.name, name))
            place = spot or Spot(cell=step.numbers[0], line=1)
            self._outline.warn(
                f"`{name}` comes from the step {found}, which is not upstream of {step.name}; it waits for it now "
                f"(tag it prev:{found})", place.cell, place.line,
            )  # fmt: skip
        return found

    def _nearest(self, names: list[str], step: Step, name: str, spot: Spot | None, warn: bool) -> str | None:
        nearest = self._graph.nearest(names)
        if len(nearest) > 1:
            sure = self._graph.nearest([other for other in names if self._surely(other, name)])
            if warn and len(sure) == 1:
                self._warn_of_branches(nearest, sure, step, name)
            if not sure:
                self._warn_of_branches(nearest, nearest, step, name)
                sure = nearest[:1]
            nearest = sure
        if warn and len(nearest) > 1 and not self._same_import(nearest, name):
            raise self._two_producers(nearest, step, name, spot)
        return nearest[-1] if nearest else None

    def _warn_of_branches(self, nearest: list[str], sure: list[str], step: Step, name: str) -> None:
        if (step.name, name) in self._warned:
            return
        self._warned.add((step.name, name))
        cells = [self._walked[other].recorder.mutated.get(name) for other in nearest]
        where = ", ".join(f"cell {m.spot.cell} (step {other})" for other, m in zip(nearest, cells, strict=True) if m)
        self._outline.warn(
            f"`{name}` may change in steps that run side by side: {where}; {step.name} takes it from {sure[0]}",
            step.numbers[0],
        )

    def _same_import(self, names: list[str], name: str) -> bool:
        bindings = [self._walked[other].binding_of(name) for other in names]
        imported = all(name in self._walked[other].recorder.imported for other in names)
        return imported and len({binding.source for binding in bindings if binding}) == 1

    def _two_producers(self, names: list[str], step: Step, name: str, spot: Spot | None) -> InvalidInput:
        def cell(other: str) -> str:
            recorder = self._walked[other].recorder
            changed = recorder.mutated.get(name)
            where = recorder.defined.get(name) or recorder.deleted.get(name) or (changed.spot if changed else None)
            return f"{other} (cell {where.cell}, line {where.line})" if where else other

        place = spot or Spot(cell=step.numbers[0], line=1)
        return InvalidInput(
            f"`{name}` is set by two steps that run side by side: {' and '.join(cell(other) for other in names)}",
            place=self._outline.notebook.place(place.cell, place.line),
            remedy=f"order them: tag {names[-1]} prev:{names[0]}, or use two names",
        )

    def is_defined_anywhere(self, name: str) -> bool:
        """True when any cell of the notebook binds the name somewhere."""
        return name in self._everything

    def candidates(self) -> set[str]:
        """Every name that some cell binds: what a misspelt name is compared with."""
        return self._everything


def _names_bound_anywhere(outline: Outline) -> set[str]:
    found: set[str] = set()
    for prepared in [*outline.prelude, *outline.parameters, *(cell for step in outline.steps for cell in step.cells)]:
        for node in ast.walk(prepared.tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.alias):
                found.add(node.asname or node.name.split(".")[0])
            elif isinstance(node, ast.pattern):
                found.update(captured_name(part) for part in pattern_names(node))
    return found
