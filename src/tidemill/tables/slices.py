"""Parts of the rows, by the values of a column: a challenger may be better on the whole and worse for some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.tables.comparison import LEVEL, compare

MAX_VALUES = 20
MAX_DISTINCT_NUMBERS = 10
QUANTILES = 4


def check_columns(columns: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise `InvalidInput` for a column that the rows lack."""
    for column in wanted:
        if column not in columns:
            raise InvalidInput(f"the rows have no column {column!r}", place="challenger.slices")


def slices_of(
    columns: Mapping[str, Sequence[Any]],
    champion: Sequence[float],
    challenger: Sequence[float],
    *,
    min_rows: int,
    seed: int,
) -> list[dict[str, Any]]:
    """The comparison within each slice that has enough rows, as evidence.

    A column of more than `MAX_DISTINCT_NUMBERS` numbers is cut into quarters; of texts the `MAX_VALUES` most frequent
    count. The level is corrected for the number of slices (Bonferroni), so that many of them raise no false alarm.
    """
    parts = [
        (words, numbers)
        for column, values in columns.items()
        for words, numbers in _parts(column, values)
        if len(numbers) >= min_rows
    ]
    level = 1 - (1 - LEVEL) / max(1, len(parts))
    found = []
    for words, numbers in parts:
        old, new = [champion[number] for number in numbers], [challenger[number] for number in numbers]
        found.append({"slice": words, **compare(old, new, seed=seed, level=level).to_json()})
    return found


def _parts(column: str, values: Sequence[Any]) -> Iterator[tuple[str, list[int]]]:
    distinct = {value for value in values if value is not None}
    if len(distinct) > MAX_DISTINCT_NUMBERS and all(isinstance(value, int | float) for value in distinct):
        yield from _quarters(column, values)
        return
    by_value: dict[Any, list[int]] = {}
    for number, value in enumerate(values):
        by_value.setdefault(value, []).append(number)
    for value, numbers in sorted(by_value.items(), key=lambda entry: (-len(entry[1]), str(entry[0])))[:MAX_VALUES]:
        yield f"{column} = {str(value)[:80]}", numbers


def _quarters(column: str, values: Sequence[Any]) -> Iterator[tuple[str, list[int]]]:
    import numpy

    known = numpy.array([float("nan") if value is None else float(value) for value in values])
    edges = numpy.nanquantile(known, numpy.linspace(0, 1, QUANTILES + 1))
    for number, (low, high) in enumerate(pairwise(edges)):
        inside = (known >= low) & ((known < high) if number < QUANTILES - 1 else (known <= high))
        yield f"{column} from {low:.4g} to {high:.4g}", numpy.flatnonzero(inside).tolist()
