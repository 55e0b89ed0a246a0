"""The search space: dimensions as data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tidemill.base.errors import InvalidInput


class DimensionKind(StrEnum):
    """What values a dimension takes."""

    INTEGER = "int"
    NUMBER = "float"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """A parameter of the pipeline and the values it may take.

    `int` and `float` take a closed interval, `log` spaces it logarithmically, `step` makes a grid; `choice` takes one
    of `choices`, any JSON values.
    """

    parameter: str
    kind: DimensionKind
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The dimension as it is stored, and as `parse_space` reads it."""
        if self.kind is DimensionKind.CHOICE:
            return {"type": self.kind.value, "choices": list(self.choices)}
        return {"type": self.kind.value, "low": self.low, "high": self.high, "step": self.step, "log": self.log}


def space_to_json(space: tuple[Dimension, ...]) -> dict[str, Any]:
    """The space by parameter name."""
    return {dimension.parameter: dimension.to_json() for dimension in space}


def parse_space(data: Any, *, place: str = "space") -> tuple[Dimension, ...]:
    """A space from `{parameter: {type, low, high, step, log} | {type: choice, choices} | [choices]}`, sorted by name.

    Raises `InvalidInput` with the field for anything else.
    """
    if not isinstance(data, dict) or not data:
        raise InvalidInput("a search space names at least one parameter", place=place)
    return tuple(_dimension(name, data[name], f"{place}.{name}") for name in sorted(data))


def _dimension(name: str, entry: Any, place: str) -> Dimension:
    if isinstance(entry, list):
        entry = {"type": "choice", "choices": entry}
    if not isinstance(entry, dict):
        raise InvalidInput("must be a table with type, low and high, or a list of choices", place=place)
    try:
        kind = DimensionKind(str(entry.get("type")))
    except ValueError as problem:
        raise InvalidInput(f"{entry.get('type')!r} is not int, float or choice", place=f"{place}.type") from problem
    known = {"type", "choices"} if kind is DimensionKind.CHOICE else {"type", "low", "high", "step", "log"}
    for field in entry:
        if field not in known:
            raise InvalidInput(
                f"a dimension of type {kind} has no {field!r}", place=place, remedy="known: " + ", ".join(sorted(known))
            )
    if kind is DimensionKind.CHOICE:
        choices = entry.get("choices")
        if not isinstance(choices, list) or not choices:
            raise InvalidInput("needs at least one choice", place=f"{place}.choices")
        return Dimension(parameter=name, kind=kind, choices=tuple(choices))
    return _interval(name, kind, entry, place)


def _interval(name: str, kind: DimensionKind, entry: dict[str, Any], place: str) -> Dimension:
    low, high = _finite(entry, "low", kind, place), _finite(entry, "high", kind, place)
    if low is None or high is None or low > high:
        raise InvalidInput("needs low and high, and low ≤ high", place=place)
    step, log = _finite(entry, "step", kind, place), entry.get("log", False)
    if not isinstance(log, bool):
        raise InvalidInput("is true or false", place=f"{place}.log")
    if step is not None and step <= 0:
        raise InvalidInput("must be above 0", place=f"{place}.step")
    if log and (low <= 0 or step is not None):
        raise InvalidInput("a logarithmic interval starts above 0 and has no step", place=place)
    return Dimension(parameter=name, kind=kind, low=low, high=high, step=step, log=log)


def _finite(entry: dict[str, Any], field: str, kind: DimensionKind, place: str) -> float | None:
    value = entry.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput("must be a finite number", place=f"{place}.{field}")
    if kind is DimensionKind.INTEGER and value != int(value):
        raise InvalidInput("must be a whole number", place=f"{place}.{field}")
    return value
