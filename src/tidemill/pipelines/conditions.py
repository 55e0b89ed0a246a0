"""CEL behind one adapter: trigger conditions and parameter selectors of KFP, with cel-go's results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def check_condition(expression: str, *, place: str) -> None:
    """Raise `InvalidInput` at `place` unless the text is CEL."""
    raise NotImplementedError


def evaluate_condition(expression: str, values: Mapping[str, Any], *, place: str = "condition") -> bool:
    """Evaluate CEL over a task's own input parameters, `inputs.parameter_values['name']` in the expression.

    Numbers are doubles, as KFP's driver hands them over. A value is never read as CEL. An expression that fails (unknown
    key, wrong type, no boolean) raises `InvalidInput`.
    """
    raise NotImplementedError


def select_value(selector: str, value: Any, *, place: str = "selector") -> Any:
    """The part of a parameter's value that an expression like `parseJson(string_value)["a"]` selects; all for ""."""
    raise NotImplementedError
