"""Rows of a table as digests, so that two tables can be compared without keeping either."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput

MAX_ROWS = 20_000_000
BATCH_ROWS = 50_000
DIGITS = 12
_INDEX_COLUMN = "__index_level_"
_NPY_MAGIC = b"\x93NUMPY"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTable:
    """A table in Arrow form; `table` is a `pyarrow.Table` without index columns, `name` is how the policy calls it."""

    name: str
    table: Any

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in the table's order."""
        return tuple(self.table.column_names)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.table.num_rows)


def read(place: Mapping[str, Any]) -> RowTable:
    """A table that was put somewhere for reading: {name, parts: [{name, path}]}, several side by side.

    Raises `InvalidInput` naming the table.
    """
    parts = [read_table(Path(part["path"]), part["name"]) for part in place["parts"]]
    return beside(parts, place["name"])


def read_table(path: Path, name: str) -> RowTable:
    """A Parquet or .npy file, or a folder with one, as a table: read by Arrow or numpy, never unpickled.

    Columns of an array are `x0`, `x1`, … Raises `InvalidInput` naming the table when it is neither.
    """
    file = _single_file(path, name)
    with file.open("rb") as reader:
        is_array = reader.read(len(_NPY_MAGIC)) == _NPY_MAGIC
    table = _array_table(file, name) if is_array else _parquet_table(file, name)
    if table.num_rows > MAX_ROWS:
        raise InvalidInput(f"has {table.num_rows} rows; at most {MAX_ROWS} are compared", place=name)
    return RowTable(name=name, table=table.drop_columns(_index_columns(table)))


def _parquet_table(file: Path, name: str) -> Any:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(file, memory_map=False)
    except (pyarrow.ArrowException, OSError) as problem:
        raise InvalidInput(
            f"is neither Parquet nor .npy: {str(problem).splitlines()[0][:200]}",
            place=name,
            remedy="let the step give a DataFrame, whose rows can be compared",
        ) from problem


def _array_table(file: Path, name: str) -> Any:
    import numpy
    import pyarrow

    try:
        array = numpy.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError) as problem:
        raise InvalidInput(f"is no array of plain values: {problem}", place=name) from problem
    if array.ndim not in (1, 2):
        raise InvalidInput(f"is an array of {array.ndim} dimensions, not of rows", place=name)
    columns = array.reshape(len(array), -1)
    return pyarrow.table({f"x{number}": columns[:, number].copy() for number in range(columns.shape[1])})


def beside(tables: Sequence[RowTable], name: str) -> RowTable:
    """Tables of equal length side by side; `InvalidInput` when lengths differ or a column name stands twice."""
    first = tables[0]
    if len(tables) == 1:
        return first
    columns: dict[str, Any] = {}
    for part in tables:
        if part.rows != first.rows:
            raise InvalidInput(f"{first.name} has {first.rows} rows, {part.name} has {part.rows}", place=name)
        for column in part.columns:
            if column in columns:
                raise InvalidInput(f"the column {column!r} stands in two of the tables", place=name)
            columns[column] = part.table.column(column)
    import pyarrow

    return RowTable(name=name, table=pyarrow.table(columns))


def alike(one: RowTable, other: RowTable, columns: Sequence[str]) -> tuple[RowTable, RowTable]:
    """Two tables of these columns; numbers that one of them keeps as float32 are so in both."""
    import pyarrow

    left, right = one.table.select(list(columns)), other.table.select(list(columns))
    for place, name in enumerate(columns):
        kinds = {left.schema.field(name).type, right.schema.field(name).type}
        if kinds == {pyarrow.float32(), pyarrow.float64()}:
            left, right = (
                table.set_column(place, name, table.column(name).cast(pyarrow.float32(), safe=False))
                for table in (left, right)
            )
    return RowTable(name=one.name, table=left), RowTable(name=other.name, table=right)


def row_digests(table: RowTable, columns: Sequence[str]) -> Iterator[tuple[bytes, int]]:
    """A 16-byte digest of each row's values in these columns, in this order, with the row's number from 0.

    Equal numbers are equal whatever their type: 1, 1.0 and True differ from "1" only. So are numbers that agree in
    their first `DIGITS` digits, as after a computation or a text file.
    """
    number = 0
    for batch in table.table.select(list(columns)).to_batches(max_chunksize=BATCH_ROWS):
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield hashlib.blake2b(repr([_plain(value) for value in values]).encode(), digest_size=16).digest(), number
            number += 1


def row_values(table: RowTable, columns: Sequence[str], number: int) -> dict[str, Any]:
    """One row as JSON values, for people to look at."""
    row = table.table.select(list(columns)).slice(number, 1).to_pylist()[0]
    return {name: value if isinstance(value, int | str | None) else str(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None  # NaN and null are both "missing"
        value = float(f"{value:.{DIGITS}g}")
        return int(value) if value.is_integer() else value
    return value


def _single_file(path: Path, name: str) -> Path:
    if path.is_file():
        return path
    files = sorted(file for file in path.rglob("*") if file.is_file())
    if len(files) != 1:
        raise InvalidInput(f"is a folder with {len(files)} files, expected one table", place=name)
    return files[0]


def _index_columns(table: Any) -> list[str]:
    """The columns that only hold pandas' index: they tell where a row stood, not what it is."""
    names = [name for name in table.column_names if name.startswith(_INDEX_COLUMN)]
    described = (table.schema.metadata or {}).get(b"pandas")
    if described is not None:
        try:
            entries = json.loads(described).get("index_columns", [])
        except (ValueError, AttributeError):
            entries = []
        names += [entry for entry in entries if isinstance(entry, str) and entry in table.column_names]
    return sorted(set(names))
