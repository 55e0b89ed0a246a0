"""The rows on which two models can be compared: those that neither has learnt from, as both are asked them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.tables.columns import is_missing
from tidemill.tables.rows import RowTable, alike, read, row_digests
from tidemill.tables.slices import check_columns

MAX_ROWS = 50_000


def clean_rows(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Which rows neither side has seen, written for both models; why not, in `incomparable`.

    `rows` and `target` are tables, `sides` two of {label, learnt (tables), columns, is_champion}; at most `MAX_ROWS`
    are drawn with the `seed`. Into `folder` go `rows-0.json` and `rows-1.json`, columns as each model takes them; the
    true values and the columns of `slices` are told.
    """
    rows, truth = read(asked["rows"]), _truth(asked)
    if len(truth) != rows.rows:
        raise InvalidInput(
            f"has {len(truth)} values for {rows.rows} rows of {rows.name}", place=asked["target"]["name"]
        )
    check_columns(rows.columns, asked["slices"])
    told: dict[str, Any] = {"rows": rows.rows, "clean": 0, "incomparable": None}
    try:
        seen = _seen(rows, asked["sides"])
        clean = [number for number in range(rows.rows) if number not in seen and not is_missing(truth[number])]
        told["clean"] = len(clean)
        if len(clean) < asked["min_rows"]:
            few = f"{len(clean)} of {rows.rows} evaluation rows were seen by neither model"
            raise _Incomparable(f"{few}, {asked['min_rows']} are needed")
        numbers = picked(clean, MAX_ROWS, asked["seed"])
        table = rows.table.take(numbers)
        _write(rows.name, table, asked)
    except _Incomparable as problem:
        return {**told, "incomparable": str(problem)}
    told["truth"] = as_json([truth[number] for number in numbers])
    told["slices"] = {name: as_json(table.column(name).to_pylist()) for name in asked["slices"]}
    return told


class _Incomparable(Exception):
    """The champion's side makes a comparison impossible, in words."""


def _truth(asked: Mapping[str, Any]) -> list[Any]:
    table = read(asked["target"])
    if len(table.columns) != 1:
        raise InvalidInput(f"has {len(table.columns)} columns, a target has one", place=table.name)
    found: list[Any] = table.table.column(0).to_pylist()
    return found


def _seen(rows: RowTable, sides: Sequence[Mapping[str, Any]]) -> set[int]:
    found: set[int] = set()
    for side in sides:
        for place in side["learnt"]:
            known = _learnt(place, side)
            columns = sorted(set(rows.columns) & set(known.columns))
            if not columns:
                raise _Incomparable(f"{rows.name} and {known.name} of {side['label']} have no column in common")
            ours, theirs = alike(rows, known, columns)
            digests = {digest for digest, _ in row_digests(theirs, columns)}
            found |= {number for digest, number in row_digests(ours, columns) if digest in digests}
    return found


def _learnt(place: Mapping[str, Any], side: Mapping[str, Any]) -> RowTable:
    try:
        return read(place)
    except InvalidInput as problem:
        if not side["is_champion"]:
            raise
        raise _Incomparable(f"nobody can read what {side['label']} learnt from: {problem.message}") from problem


def _write(name: str, table: Any, asked: Mapping[str, Any]) -> None:
    for place, side in enumerate(asked["sides"]):
        missing = [column for column in side["columns"] if column not in table.column_names]
        if missing:
            why = f"{side['label']} takes {', '.join(missing)}, which {name} has not"
            raise _Incomparable(why) if side["is_champion"] else InvalidInput(why, place=name)
        columns = {column: as_json(table.column(column).to_pylist()) for column in side["columns"]}
        path = Path(asked["folder"]) / f"rows-{place}.json"
        path.write_text(json.dumps(columns, allow_nan=False), encoding="utf-8")


def picked(numbers: Sequence[int], most: int, seed: int) -> list[int]:
    """All of them, or so many drawn with the seed, in their order."""
    if len(numbers) <= most:
        return list(numbers)
    import numpy

    return sorted(numpy.random.default_rng(seed).choice(numbers, most, replace=False).tolist())


def as_json(values: Sequence[Any]) -> list[Any]:
    """Values as strict JSON: NaN is null, what JSON has no form for is its text."""
    return [None if is_missing(value) else _plain(value) for value in values]


def _plain(value: Any) -> Any:
    is_plain = isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))
    return value if is_plain else str(value)
