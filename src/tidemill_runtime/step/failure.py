"""A failed step, told shortly: which cell, which line, what was raised."""

from __future__ import annotations

import errno
import os
import traceback
from dataclasses import dataclass
from typing import Any, Dict, Optional

_HERE = os.path.dirname(os.path.abspath(__file__))
MAX_TRACEBACK = 20_000
NO_SPACE = "storage_full"
"""The `error` of a failure for want of room on a disk; the engine knows it by this word."""


@dataclass(frozen=True)
class Failure:
    """Why a step failed; `cell` and `line` are None when no cell is to blame."""

    message: str
    notebook: str
    step: str
    cell: Optional[int]
    line: Optional[int]
    traceback: str
    error: Optional[str] = None

    def to_json(self) -> Dict[str, Any]:
        """As `failure.json` holds it."""
        return {
            "schema_version": 1,
            "message": self.message,
            "error": self.error,
            "notebook": self.notebook,
            "step": self.step,
            "cell": self.cell,
            "line": self.line,
            "traceback": self.traceback,
        }

    def __str__(self) -> str:
        place = self.notebook
        if self.cell is not None:
            place += f", cell {self.cell}" + (f", line {self.line}" if self.line else "")
        return f"{self.traceback}\n{place}: {self.message}\n" if self.traceback else f"{place}: {self.message}\n"


def failure_of(problem: BaseException, notebook: str, step: str, cell: Optional[int]) -> Failure:
    """Describe an exception of a cell: its line in the notebook, and a traceback without this runtime's frames."""
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if not _is_ours(frame.filename)]
    line: Optional[int] = None
    for frame in frames:
        if frame.filename == f"{notebook}, cell {cell}":
            line = frame.lineno
    if isinstance(problem, SyntaxError) and line is None:
        line = problem.lineno
    shown = "Traceback (most recent call last):\n" + "".join(traceback.format_list(frames))
    shown += "".join(traceback.format_exception_only(type(problem), problem))
    cause = problem.__cause__ or (None if problem.__suppress_context__ else problem.__context__)
    if cause is not None:
        shown = f"(caused by {type(cause).__name__}: {cause})\n{shown}"
    text = str(problem)
    message = f"{type(problem).__name__}: {text}" if text else type(problem).__name__
    error = NO_SPACE if is_no_space(problem) else None
    return Failure(message, notebook, step, cell, line, shown[-MAX_TRACEBACK:].rstrip(), error)


def is_no_space(problem: Optional[BaseException]) -> bool:
    """True when an exception, or one that led to it, says that a disk or a quota has no room left."""
    for _ in range(20):  # a chain of exceptions may be a ring
        if problem is None:
            return False
        if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def _is_ours(file_name: str) -> bool:
    return os.path.abspath(file_name).startswith(_HERE + os.sep) and ", cell " not in file_name
