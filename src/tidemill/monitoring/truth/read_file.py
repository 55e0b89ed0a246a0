"""The verb read_truth_file: ground truth from a CSV or Parquet file, as the API takes it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput, NotFound

ROW_COLUMNS = ("row", "prediction_row")
TIME_COLUMN = "time"


def read_truth_file(path: Path, *, value: str, key: str = "") -> Iterator[dict[str, Any]]:
    """Each row that has a value, as an item of a batch.

    `value` is the column with the truth. A row is named by the column `prediction_id`, else `request_id`, else by the
    column `key`; `row` (or `prediction_row`) and `time` are taken where they are there. Raises `InvalidInput` with file
    and column, `NotFound`.
    """
    if not path.is_file():
        raise NotFound("there is no such file", place=str(path), remedy="name a CSV or Parquet file that is there")
    names, rows = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    named = next((name for name in ("prediction_id", "request_id", key) if name and name in names), None)
    if named is None:
        wanted = f"prediction_id, request_id{f' or {key}' if key else ''}"
        raise InvalidInput(f"has no column {wanted}", place=str(path), remedy="say which predictions are meant")
    if value not in names:
        raise InvalidInput(f"has no column {value!r}", place=str(path), remedy="name the one with the truth: --column")
    field = named if named in ("prediction_id", "request_id") else "key"
    row_column = next((name for name in ROW_COLUMNS if name in names), None)
    for number, row in enumerate(rows, 2):
        if _is_empty(row[value]):
            continue
        item = {field: _name(row[named]), "value": scalar_of(row[value])}
        if row_column is not None:
            item["row"] = _whole(row[row_column], f"{path}:{number}: {row_column}")
        if field == "key" and TIME_COLUMN in names and not _is_empty(row[TIME_COLUMN]):
            item["time"] = _moment(row[TIME_COLUMN], f"{path}:{number}: {TIME_COLUMN}")
        yield item


def _csv(path: Path) -> tuple[list[str], Iterable[Mapping[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise InvalidInput(f"is not UTF-8 at byte {problem.start}", place=str(path)) from problem
    reader = csv.DictReader(text.splitlines(keepends=True), restval="")
    return list(reader.fieldnames or ()), reader


def _parquet(path: Path) -> tuple[list[str], Iterable[Mapping[str, Any]]]:
    import pyarrow
    import pyarrow.parquet  # 0.3 s: only who reads such a file pays

    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowInvalid) as problem:
        raise InvalidInput(f"is no Parquet file: {problem}", place=str(path)) from problem
    return list(file.schema_arrow.names), (row for batch in file.iter_batches() for row in batch.to_pylist())


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def scalar_of(value: Any) -> Any:
    """A value as it was meant: a number or a truth value where the text is one."""
    if isinstance(value, bool | int | float):
        return value
    text = str(value).strip()
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return {"true": True, "false": False}.get(text.lower(), text)


def _whole(value: Any, place: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as problem:
        raise InvalidInput(f"{str(value)[:40]!r} is no whole number", place=place) from problem


def _moment(value: Any, place: str) -> str:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as problem:
        raise InvalidInput(f"{str(value)[:40]!r} is no time", place=place, remedy="write 2026-01-31T12:00") from problem
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).isoformat()
