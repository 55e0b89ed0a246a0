"""The verb find_fitted: which variable of a notebook is its model, and which holds rows for it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidemill.notebooks.outline import Step, outline
from tidemill.notebooks.read import read_notebook

_ASKING = frozenset({"predict", "predict_proba", "score"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted model, a table of rows that it takes, and the rows it learnt from, each as `task.variable`.

    `training` is None where it is fitted on what has no name.
    """

    model: str
    sample: str
    training: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """`owner.method(rows)` in a step; `rows` is "" where the first argument is no plain name."""

    owner: str
    method: str
    rows: str
    place: int


def find_fitted(path: Path) -> Fitted | None:
    """The last model of a notebook that is fitted and asked; None where that is not plain to see.

    It is a proposal for a person to look at: it goes by `model.fit(...)` and `model.predict(rows)` at the top level of
    cells. Raises `InvalidInput` for a notebook that cannot be read.
    """
    steps = outline(read_notebook(path)).steps
    calls = [call for place, step in enumerate(steps) for call in _calls(step, place)]
    asked = {call.owner for call in calls if call.method in _ASKING}
    fits = [call for call in calls if call.method == "fit" and call.owner in asked]
    if not fits:
        return None
    fit = fits[-1]
    of_model = [call for call in calls if call.owner == fit.owner and call.place >= fit.place]
    # rows that it is asked about tell more than those it learnt from
    for call in sorted(of_model, key=lambda call: call.method == "fit"):
        sample = _rows(steps, call)
        if sample is not None:
            model = f"{steps[fit.place].task}.{fit.owner}"
            return Fitted(model=model, sample=sample, training=_rows(steps, fit))
    return None


def _rows(steps: list[Step], call: _Call) -> str | None:
    """The rows of a call, with the nearest step above that makes them."""
    for step in reversed(steps[: call.place + 1]):
        if call.rows and call.rows in _bound(step):
            return f"{step.task}.{call.rows}"
    return None


def _calls(step: Step, place: int) -> Iterator[_Call]:
    for statement in _top_level(step):
        target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
        for node in ast.walk(statement):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else ""
            is_value = isinstance(statement, ast.Assign) and statement.value is node
            if not name and is_value and node.func.attr == "fit" and isinstance(target, ast.Name):
                name = target.id  # model = Ridge().fit(X, y)
            rows = node.args[0].id if node.args and isinstance(node.args[0], ast.Name) else ""
            if name:
                yield _Call(owner=name, method=node.func.attr, rows=rows, place=place)


def _bound(step: Step) -> set[str]:
    return {
        node.id
        for statement in _top_level(step)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _top_level(step: Step) -> Iterator[ast.stmt]:
    for prepared in step.cells:
        for statement in prepared.tree.body:
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield statement
