"""The beginning of a table for people to look at: rows, types and a profile of each column, of a bounded part of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from tidemill.tables.beginnings import begin

ROWS = 50
COLUMNS = 100
CELL_CHARACTERS = 200
NAME_CHARACTERS = 100
LARGEST_EXACT = 2**53


def preview(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the file at `path` holds, as strict JSON; raises `InvalidInput` for what is no table that is read here.

    Cells are null, true, false, numbers or texts of at most `CELL_CHARACTERS`; a text that was cut ends with "…".
    """
    found = begin(asked["path"], COLUMNS)
    table = found.table
    return {
        "format": found.format,
        "rows": found.rows,
        "looked_at": table.num_rows,
        "columns_in_all": found.columns,
        "note": found.note,
        "columns": [_column(table, index) for index in range(table.num_columns)],
        "cells": [*_cells(table)],
    }


def _cells(found: Any) -> Iterator[list[Any]]:
    head = found.slice(0, ROWS)
    columns = [_values(head.column(index)) for index in range(head.num_columns)]
    for number in range(head.num_rows):
        yield [_cell(column[number]) for column in columns]


def _values(column: Any) -> list[Any]:
    import pyarrow

    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, pyarrow.ArrowException):  # a time that Python has no form for, say
        values = [str(value) for value in column]
    return values


def _scalar(value: Any) -> Any:
    try:
        return _cell(value.as_py())
    except (ValueError, OverflowError):
        return str(value)


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return f"{value[:16].hex(' ')}{' …' if len(value) > 16 else ''} ({len(value)} bytes)"
    if isinstance(value, list | dict):
        return _cut(json.dumps(value, default=str, ensure_ascii=False))
    return _cut(str(value))


def _cut(text: str, most: int = CELL_CHARACTERS) -> str:
    plain = text.encode("utf-8", "replace").decode()
    return plain if len(plain) <= most else plain[:most] + "…"


def _column(table: Any, index: int) -> dict[str, Any]:
    import pyarrow
    from pyarrow import compute

    column = table.column(index)
    is_float = pyarrow.types.is_floating(column.type)
    missing = column.null_count + (compute.sum(compute.is_nan(column)).as_py() or 0 if is_float else 0)
    profile = {"missing": missing, "distinct": None, "least": None, "most": None, "mean": None, "common": None}
    # lists and the like have no order and no distinct values
    with suppress(pyarrow.ArrowException, ValueError, OverflowError):
        profile |= _profile(column, is_float=is_float)
    return {"name": _cut(table.schema.names[index], NAME_CHARACTERS), "type": _cut(str(column.type), 60), **profile}


def _profile(column: Any, *, is_float: bool) -> dict[str, Any]:
    import pyarrow
    from pyarrow import compute

    known = compute.drop_null(column)
    if is_float:
        known = known.filter(compute.is_finite(known))
    told: dict[str, Any] = {"distinct": compute.count_distinct(known).as_py()}
    kind = column.type
    if pyarrow.types.is_integer(kind) or is_float or pyarrow.types.is_temporal(kind):
        ends = compute.min_max(known)
        told |= {"least": _scalar(ends["min"]), "most": _scalar(ends["max"])}
    if pyarrow.types.is_integer(kind) or is_float:
        told["mean"] = _cell(compute.mean(known).as_py())
    elif len(known):
        told["common"] = _common(known)
    return told


def _common(known: Any) -> list[Any]:
    """The value that stands there most often, and how often."""
    from pyarrow import compute

    counts = compute.value_counts(known)
    values, sizes = counts.field("values"), counts.field("counts")
    place = sizes.to_pylist().index(compute.max(sizes).as_py())
    return [_scalar(values[place]), sizes[place].as_py()]
