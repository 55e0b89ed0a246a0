"""The order of steps: what comes before what, by `prev` tags and by data."""

from __future__ import annotations

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.outline import Outline, Step


class StepGraph:
    """Edges from each step to the steps that it waits for; data edges are added while producers are found."""

    def __init__(self, outline: Outline) -> None:
        self._index = {step.name: number for number, step in enumerate(outline.steps)}
        self.before: dict[str, set[str]] = {step.name: set(step.tags.previous) for step in outline.steps}
        self.order: list[Step] = _order(outline)

    def ancestors(self, name: str) -> set[str]:
        """Every step that surely ends before this one starts."""
        found: set[str] = set()
        waiting = list(self.before[name])
        while waiting:
            step = waiting.pop()
            if step not in found:
                found.add(step)
                waiting += self.before[step]
        return found

    def add(self, step: str, waits_for: str) -> None:
        """A data edge."""
        if step != waits_for:
            self.before[step].add(waits_for)

    def nearest(self, names: list[str]) -> list[str]:
        """Those of `names` that no other of them comes after, in the notebook's order."""
        covered: set[str] = set()
        for name in names:
            covered |= self.ancestors(name)
        return sorted((name for name in names if name not in covered), key=self.index)

    def index(self, name: str) -> int:
        """The place of a step in the notebook."""
        return self._index[name]


def _order(outline: Outline) -> list[Step]:
    """Steps so that each stands after its `prev` steps, else in the notebook's order; a cycle raises `InvalidInput`."""
    waiting = list(outline.steps)
    done: set[str] = set()
    ordered: list[Step] = []
    while waiting:
        ready = next((step for step in waiting if set(step.tags.previous) <= done), None)
        if ready is None:
            raise _cycle(outline, waiting)
        waiting.remove(ready)
        done.add(ready.name)
        ordered.append(ready)
    return ordered


def _cycle(outline: Outline, left: list[Step]) -> InvalidInput:
    names = {step.name: step for step in left}
    path = [left[0]]
    while True:
        following = next(names[name] for name in path[-1].tags.previous if name in names)
        if following in path:
            circle = path[path.index(following) :]
            break
        path.append(following)
    circle.sort(key=lambda step: step.numbers[0])
    where = ", ".join(f"{step.name} (cell {step.numbers[0]})" for step in circle)
    return InvalidInput(
        f"these steps wait for each other: {where}",
        place=outline.notebook.place(circle[0].numbers[0]),
        remedy="take away one of their prev tags",
    )
