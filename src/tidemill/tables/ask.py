"""The verb ask_apart: one question about tables, answered by a process that ends with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidemill.base.apart import NoRoom, run_apart
from tidemill.base.errors import InvalidInput, RunFailed, Unavailable

TIMEOUT_SECONDS = 600.0
MODULE = "tidemill.tables.compute"
Ask = Callable[[Mapping[str, Any]], dict[str, Any]]
"""What answers a question (`question` and its fields, JSON all of it) with JSON, or raises as `ask_apart` does."""


class TablesProblem(InvalidInput):
    """A table is not what its reader needs; the message is the reader's."""


def ask_apart(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of `tables.compute` to a question.

    Raises `TablesProblem` for tables that it cannot use, `RunFailed` when the process dies, takes longer than
    `TIMEOUT_SECONDS` or more memory than half of the machine's, `NoRoom` when it could not be started for as long.
    """
    what = "the tables could not be read"
    try:
        told = run_apart(MODULE, dict(asked), what=what, seconds=TIMEOUT_SECONDS, patience_seconds=TIMEOUT_SECONDS)
    except NoRoom:
        raise
    except Unavailable as problem:
        raise RunFailed(problem.message, remedy="let the step give smaller tables, or a machine more memory") from None
    return answered(told)


def answered(told: Any) -> dict[str, Any]:
    """What a reply says; `TablesProblem` where it is a refusal, `RunFailed` where it is no reply at all."""
    if not isinstance(told, dict):
        raise RunFailed("the tables could not be read: the answer is none")
    if "refused" in told:
        refused = told["refused"]
        raise TablesProblem(refused["message"], place=refused["place"], remedy=refused["remedy"])
    return told
