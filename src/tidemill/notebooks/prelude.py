"""The prelude: cells of imports and functions, which run before every step."""

from __future__ import annotations

import re

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.analysis import PROVIDED
from tidemill.notebooks.facts import Spot
from tidemill.notebooks.flow import FlowRecorder, Outside
from tidemill.notebooks.outline import Outline
from tidemill.notebooks.parameters import Parameter
from tidemill.notebooks.walk import Walked, walk


def walk_prelude(outline: Outline, parameters: dict[str, Parameter]) -> Walked:
    """Walk the prelude; raises `InvalidInput` when it runs code on a variable that only a step has."""
    recorder = FlowRecorder(Outside())
    walked = walk(outline.prelude, recorder, outline.notebook)
    for name, use in recorder.uses.items():
        if name in PROVIDED or name in parameters or not use.hard:
            continue
        raise InvalidInput(
            f"`{name}` is used by a cell that runs before every step, where it does not exist",
            place=outline.notebook.place(use.spot.cell, use.spot.line),
            remedy="move that line into a step, or tag the cell with a step",
        )
    _warn_of_order(outline, walked)
    return walked


def prelude_parameters(walked: Walked, parameters: dict[str, Parameter]) -> dict[str, Spot]:
    """Parameters that the prelude reads while it runs, so that every step takes them."""
    return {name: use.spot for name, use in walked.recorder.uses.items() if name in parameters and use.hard}


def _warn_of_order(outline: Outline, walked: Walked) -> None:
    """A cell that runs first here although steps above it bind the same name would undo what they did."""
    for name, spot in walked.recorder.defined.items():
        for step in outline.steps:
            for prepared in step.cells:
                if prepared.cell.number < spot.cell and _binds(prepared.code, name):
                    outline.warn(
                        f"`{name}` is set here, before every step, yet cell {prepared.cell.number} above sets it too",
                        spot.cell, spot.line,
                    )  # fmt: skip


def _binds(code: str, name: str) -> bool:
    return re.search(rf"^(?:def |class )?{re.escape(name)}\s*(?:=(?!=)|\(|:)", code, re.MULTILINE) is not None
