"""The first rows of a file as an Arrow table, in pieces up to a limit: Parquet, .npy, CSV, JSON; never a pickle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

from tidemill.base.errors import InvalidInput

MOST_ROWS = 100_000
MOST_BYTES = 64 << 20
MOST_TEXT_BYTES = 32 << 20
MOST_JSON_BYTES = 8 << 20
SNIFFED_BYTES = 1 << 16
PIECE_BYTES = 1 << 20
# numpy reads the head of an array as Python's own words, and says so
_OF_READERS = (ValueError, OSError, EOFError, RecursionError, MemoryError, SyntaxError, TypeError, TokenError)
_SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Rows from the start of a file: `rows` counts all of them, None where nobody counted; `columns` as well."""

    format: str
    table: Any
    rows: int | None
    columns: int
    note: str = ""


def begin(path: str, most_columns: int) -> Beginning:
    """The beginning of a file by what its first bytes say it is; `InvalidInput` for what is no table."""
    with open(path, "rb") as reader:
        start = reader.read(SNIFFED_BYTES)
    read = _reader_of(start)
    if read is None:
        raise InvalidInput("is no table that is read here: Parquet, .npy, CSV and JSON are")
    import pyarrow

    try:
        return read(path, start, most_columns)
    except (pyarrow.ArrowException, *_OF_READERS) as problem:
        said = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise InvalidInput(f"cannot be read as a table: {said[:200]}") from problem


def _reader_of(start: bytes) -> Callable[[str, bytes, int], Beginning] | None:
    if start.startswith(b"PAR1"):
        return _parquet
    if start.startswith(b"\x93NUMPY"):
        return _array
    try:
        # the last character may be cut in two
        text = start.decode("utf-8-sig", "strict" if len(start) < SNIFFED_BYTES else "ignore")
    except UnicodeDecodeError:
        return None
    if "\0" in text or not text.strip():
        return None
    return _json if text.lstrip()[0] in "[{" else _csv


def _parquet(path: str, _: bytes, most_columns: int) -> Beginning:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path, memory_map=False) as file:
        names = list(dict.fromkeys(file.schema_arrow.names))
        columns = None if len(names) <= most_columns else names[:most_columns]
        batches = file.iter_batches(batch_size=10_000, columns=columns, use_threads=False)
        schema = file.schema_arrow if columns is None else pyarrow.schema([file.schema_arrow.field(n) for n in columns])
        table = _taken(batches, schema)
        return Beginning(format="parquet", table=table, rows=file.metadata.num_rows, columns=len(names))


def _csv(path: str, start: bytes, most_columns: int) -> Beginning:
    import pyarrow.csv

    line = start.decode("utf-8-sig", "ignore").lstrip("\r\n").splitlines()[0]
    separator = max(_SEPARATORS, key=line.count)
    reader = pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=PIECE_BYTES),
        parse_options=pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
    )
    names = reader.schema.names
    note: list[str] = []
    table = _taken(_as_far_as_it_goes(reader, note), reader.schema, MOST_TEXT_BYTES)
    is_whole = not note and Path(path).stat().st_size <= MOST_TEXT_BYTES and table.num_rows < MOST_ROWS
    return Beginning(
        format="csv",
        table=table.select(range(min(len(names), most_columns))),
        rows=table.num_rows if is_whole else None,
        columns=len(names),
        note=note[0] if note else "",
    )


def _as_far_as_it_goes(batches: Iterable[Any], note: list[str]) -> Iterable[Any]:
    """The pieces before one that cannot be read; why not goes into `note`."""
    import pyarrow

    try:
        yield from batches
    except pyarrow.ArrowException as problem:
        note.append(f"it could not be read further: {str(problem).splitlines()[0][:200]}")


def _json(path: str, _: bytes, most_columns: int) -> Beginning:
    size = Path(path).stat().st_size
    if size > MOST_JSON_BYTES:
        raise InvalidInput(f"is JSON of {size} bytes; up to {MOST_JSON_BYTES} are looked into")
    text = Path(path).read_text(encoding="utf-8-sig")
    try:
        told = json.loads(text)
    except ValueError:
        told = [json.loads(line) for line in text.splitlines() if line.strip()]
    records = _records(told)
    names = list(dict.fromkeys(str(name) for record in records for name in record))
    shown = names[:most_columns]
    table = _columns({name: [record.get(name) for record in records] for name in shown})
    return Beginning(format="json", table=table, rows=len(records), columns=len(names))


def _records(told: Any) -> list[dict[str, Any]]:
    """Records, columns of equal length, or values, as records."""
    if isinstance(told, dict):
        lengths = {len(value) if isinstance(value, list) else -1 for value in told.values()}
        if len(lengths) == 1 and lengths != {-1}:
            return [dict(zip(told, row, strict=True)) for row in zip(*told.values(), strict=True)]
        return [told]
    values = told if isinstance(told, list) else [told]
    return [value if isinstance(value, dict) else {"value": value} for value in values[:MOST_ROWS]]


def _columns(values: dict[str, Sequence[Any]]) -> Any:
    """Columns of values, as text where they have no type in common."""
    import pyarrow

    arrays = []
    for column in values.values():
        try:
            arrays.append(pyarrow.array(column))
        except (pyarrow.ArrowException, OverflowError):
            arrays.append(
                pyarrow.array([each if each is None or isinstance(each, str) else json.dumps(each) for each in column])
            )
    return pyarrow.table(arrays, names=list(values)) if arrays else pyarrow.table({})


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _array(path: str, _: bytes, most_columns: int) -> Beginning:
    import numpy
    import pyarrow

    array = numpy.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim == 0 or (array.ndim > 2 and not array.dtype.names):
        raise InvalidInput(f"is an array of the shape {array.shape}, not of rows")
    head = array[:MOST_ROWS]
    if array.dtype.names:
        columns = {name: head[name] for name in array.dtype.names}
    else:
        flat = head if array.ndim == 2 else head.reshape(-1, 1)
        columns = {f"x{number}": flat[:, number] for number in range(flat.shape[1])}
    shown = dict(list(columns.items())[:most_columns])
    table = pyarrow.table({name: numpy.ascontiguousarray(values) for name, values in shown.items()})
    return Beginning(format="npy", table=table, rows=len(array), columns=len(columns))


def _taken(batches: Iterable[Any], schema: Any, most_bytes: int = MOST_BYTES) -> Any:
    import pyarrow

    taken, rows, size = [], 0, 0
    for batch in batches:
        part = batch.slice(0, MOST_ROWS - rows)
        taken.append(part)
        rows, size = rows + part.num_rows, size + part.nbytes
        if rows >= MOST_ROWS or size >= most_bytes:
            break
    return pyarrow.Table.from_batches(taken, schema=taken[0].schema if taken else schema)
