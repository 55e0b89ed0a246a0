"""The error for a name that nothing before defines: where, why, and the nearest spelling."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.flow import Use

if TYPE_CHECKING:
    from tidemill.notebooks.analysis import Analysis, StepFlow

_SESSION_NAME = re.compile(r"_+|_\d+|_i+\d*|In|Out|_dh|_ih|_oh")


def undefined_name(analysis: Analysis, flow: StepFlow, name: str, use: Use) -> InvalidInput:
    """The `InvalidInput` to raise."""
    place = analysis.outline.notebook.place(use.spot.cell, use.spot.line)
    if _SESSION_NAME.fullmatch(name):
        return InvalidInput(
            f"`{name}` is the memory of an interactive session, which a step does not have",
            place=place,
            remedy="give the value a name of its own",
        )
    for other in analysis.flows.values():
        if name in other.recorder.path.gone and other is not flow:
            spot = other.recorder.deleted[name]
            return InvalidInput(
                f"`{name}` was deleted in cell {spot.cell} (step {other.step.name})",
                place=place, remedy="delete it later, or not at all",
            )  # fmt: skip
    later = _defined_later(analysis, flow, name)
    if later:
        return InvalidInput(
            f"`{name}` is not defined yet: {later} sets it, which does not run before {flow.step.name}",
            place=place, remedy="move the cell up, or order the steps with prev tags",
        )  # fmt: skip
    known = analysis.producers.candidates() | set(analysis.parameters)
    near = difflib.get_close_matches(name, sorted(known), n=1)
    remedy = f"did you mean `{near[0]}`?" if near else "define it in a cell above, or correct its spelling"
    return InvalidInput(f"the name `{name}` is not defined", place=place, remedy=remedy)


def _defined_later(analysis: Analysis, flow: StepFlow, name: str) -> str | None:
    import ast

    for step in analysis.outline.steps:
        for prepared in step.cells:
            for node in ast.walk(prepared.tree):
                bound = node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else (
                    node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else None)  # fmt: skip
                if bound == name and step is not flow.step:
                    return f"cell {prepared.cell.number} (step {step.name})"
    return None
