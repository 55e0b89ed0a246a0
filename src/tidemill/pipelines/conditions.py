"""CEL behind one adapter: trigger conditions and parameter selectors of KFP, with cel-go's results."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.pipelines.cel import CelError, compile_cel, run_cel
from tidemill.pipelines.interfaces import whole_numbers

MAX_EXACT_DOUBLE = 2**53
PARAMETER = r"inputs\.parameter_values\['(?P<name>[^'\\]+)'\]"
NAMED = re.compile(r"inputs\.parameter_values\[\s*(?:'([^'\\]*)'|\"([^\"\\]*)\")\s*\]")
UNQUOTED = re.compile(
    rf"(?P<open>!\()?(?P<left>{PARAMETER}) (?P<operator>==|!=|<=|>=|<|>) '(?P<text>.*)'(?P<close>\))?", re.DOTALL
)
PARSED_ITEM = re.compile(r"parseJson\(string_value\)(?P<keys>(?:\[\"[^\"\\\]]*\"\]|\[\d{1,9}\])*)")
KEY = re.compile(r"\[(?:\"([^\"]*)\"|(\d+))\]")
REMEDY = "kfp writes a comparison of different types as no CEL at all: compare values of one type"


def check_condition(expression: str, *, place: str) -> None:
    """Raise `InvalidInput` at `place` unless the text is CEL, or kfp's rendering of a comparison with a text."""
    try:
        _compiled(expression)
    except CelError as problem:
        raise InvalidInput(f"not a CEL expression: {problem}", place=place, remedy=REMEDY) from problem


def condition_inputs(expression: str) -> tuple[str, ...]:
    """The names of the input parameters that a condition reads, as far as they are written as constants."""
    return tuple(dict.fromkeys(single or double for single, double in NAMED.findall(_without_texts(expression))))


def evaluate_condition(
    expression: str,
    values: Mapping[str, Any],
    *,
    artifacts: Mapping[str, Any] | None = None,
    place: str = "condition",
) -> bool:
    """Evaluate CEL over a task's own inputs: `inputs.parameter_values['x']`, `inputs.artifacts['a'].artifacts[0]`.

    `values` are the task's parameter values (component defaults included; leave out what has no value), `artifacts` the
    `inputs.artifacts` of its ExecutorInput. Numbers are doubles, as KFP's driver hands them over, except integers that
    no double holds. A value is never read as CEL. An expression that fails (no such key, wrong types, no boolean)
    raises `InvalidInput`.
    """
    inputs = {
        "parameter_values": {name: _as_driver(value) for name, value in values.items()},
        "artifacts": _as_driver(artifacts or {}),
    }
    try:
        result = run_cel(_compiled(expression), {"inputs": inputs})
    except CelError as problem:
        raise InvalidInput(f"the condition {expression[:200]} failed: {problem}", place=place) from problem
    if not isinstance(result, bool):
        raise InvalidInput(
            f"the condition {expression[:200]} is not true or false, it is {str(result)[:40]!r}", place=place
        )
    return result


def select_value(selector: str, value: Any, *, place: str = "selector") -> Any:
    """The part of a parameter's value that an expression like `parseJson(string_value)["a"]` selects; all for "".

    In the expression the value stands as `string_value` (its JSON, or the text itself), and as `number_value`,
    `bool_value`, `struct_value` or `list_value` by its type. `InvalidInput` when the part is not there.
    """
    if not selector:
        return value
    simple = PARSED_ITEM.fullmatch(selector)
    try:
        # The only form kfp compiles; walking it here keeps every integer and NaN as it is.
        if simple:
            return _walk(value, simple["keys"])
        return whole_numbers(run_cel(_compiled(selector), _fields(value)))
    except CelError as problem:
        raise InvalidInput(f"the selector {selector[:200]} failed: {problem}", place=place) from problem


def _walk(value: Any, keys: str) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as problem:
            raise CelError("the text is not JSON") from problem
    for name, index in KEY.findall(keys):
        key: str | int = int(index) if index else name
        there = isinstance(value, list) and isinstance(key, int) and key < len(value)
        if not there and not (isinstance(value, dict) and key in value):
            raise CelError(f"no such key: {key!r}")
        value = value[key]
    return value


def _fields(value: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"string_value": value if isinstance(value, str) else json.dumps(value)}
    if isinstance(value, bool):
        fields["bool_value"] = value
    elif isinstance(value, int | float):
        fields["number_value"] = _as_driver(value)
    elif isinstance(value, dict):
        fields["struct_value"] = _as_driver(value)
    elif isinstance(value, list):
        fields["list_value"] = _as_driver(value)
    return fields


def _as_driver(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) <= MAX_EXACT_DOUBLE or abs(value) >= 2**63 else value
    if isinstance(value, Mapping):
        return {key: _as_driver(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_driver(item) for item in value]
    return value


@functools.lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    try:
        return compile_cel(expression)
    except CelError:
        quoted = _quoted(expression)
        if quoted is None:
            raise
        return compile_cel(quoted)


def _quoted(expression: str) -> str | None:
    """kfp puts a text between quotes as it is; where that made no CEL, the same comparison with the text escaped."""
    match = UNQUOTED.fullmatch(expression)
    if match is None or bool(match["open"]) != bool(match["close"]):
        return None
    # JSON's escapes are CEL's, but for pairs of surrogates.
    text = json.dumps(match["text"], ensure_ascii=False)
    return f"{match['open'] or ''}{match['left']} {match['operator']} {text}{match['close'] or ''}"


def _without_texts(expression: str) -> str:
    quoted = _quoted(expression)
    match = UNQUOTED.fullmatch(expression)
    return match["left"] if quoted is not None and match is not None else expression
