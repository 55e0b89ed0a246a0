"""The error for a variable that cannot go from step to step as it does in the notebook."""

from __future__ import annotations

import ast
import sys
from typing import Optional, Tuple

from tidemill_runtime.step.codecs.parts import Fingerprint
from tidemill_runtime.step.program import StepProgram


class VariableError(Exception):
    """A variable that cannot be loaded, stored, or was changed unseen; `cell` and `line` where that is known."""

    def __init__(self, message: str, place: Tuple[Optional[int], Optional[int]] = (None, None)) -> None:
        super().__init__(message)
        self.cell, self.line = place


def judge(before: Fingerprint, now: Fingerprint, message: str, program: StepProgram, name: str) -> None:
    """Raise `VariableError` when a value surely changed; a warning goes to the log when it may be only a cache."""
    place = first_use(program, name)
    if None not in (before.known, now.known) and before.known != now.known:
        raise VariableError(message, place)
    if None not in (before.everything, now.everything) and before.everything != now.everything:
        where = "".join(f", {word} {number}" for word, number in zip(("cell", "line"), place) if number is not None)
        sys.stderr.write(f"{program.notebook}{where}: warning: {message} (or only a cache in it was filled)\n")


def first_use(program: StepProgram, name: str) -> Tuple[Optional[int], Optional[int]]:
    """The cell and line where a step first names a variable; (None, None) when it only reaches it."""
    for cell in program.cells:
        try:
            tree = compile(cell.code, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except (SyntaxError, ValueError):
            continue
        lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
        if lines:
            return cell.cell, min(lines)
    return None, None
