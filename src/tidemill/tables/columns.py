"""A column as numbers or as categories, whatever type it was written with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The values of a column: `numbers` (missing is NaN) where all that is there is a number or a time, else None.

    `codes` tell equal values, the missing ones too, by equal whole numbers from 0.
    """

    numbers: Any
    codes: Any

    @property
    def distinct(self) -> int:
        """How many values there are, missing counted as one."""
        return int(self.codes.max()) + 1 if len(self.codes) else 0

    def only(self, rows: Any) -> Values:
        """Those of some rows, as an array of truth values."""
        import numpy

        codes = numpy.unique(self.codes[rows], return_inverse=True)[1].reshape(-1)
        return Values(numbers=None if self.numbers is None else self.numbers[rows], codes=codes)


def values_of(column: Sequence[Any]) -> Values:
    """The values of a column; texts that are all numbers are numbers, so that a copy as text is still one."""
    import numpy

    found = [_number(value) for value in column]
    if None not in found:
        numbers = numpy.array(found, dtype=float)
        return Values(numbers=numbers, codes=numpy.unique(numbers, return_inverse=True)[1].reshape(-1))
    places: dict[str, int] = {}
    codes = [places.setdefault("" if is_missing(value) else f"={value}", len(places)) for value in column]
    return Values(numbers=None, codes=numpy.array(codes, dtype=int))


def is_missing(value: Any) -> bool:
    """Whether a value is none: null or NaN."""
    return value is None or (isinstance(value, float | Decimal) and math.isnan(value))


def _number(value: Any) -> float | None:
    """A value as a number, NaN for a missing one; None for what is no number."""
    if is_missing(value):
        return math.nan
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime.combine(value, time(), tzinfo=UTC).timestamp()
    try:
        return float(value) if isinstance(value, bool | int | float | Decimal | str) else None
    except (ValueError, OverflowError):
        return None
