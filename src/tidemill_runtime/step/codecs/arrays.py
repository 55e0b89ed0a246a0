"""Codecs for numpy arrays (.npy) and data frames (Parquet)."""

from __future__ import annotations

import mmap
from typing import Any

from tidemill_runtime.step.codecs.contract import Scene, is_exactly


class NpyCodec:
    """`numpy.ndarray` without objects in it, as .npy."""

    name = "npy"

    def takes(self, value: object) -> bool:
        return is_exactly(value, "numpy", "ndarray") and not value.dtype.hasobject and value.dtype.metadata is None  # type: ignore[attr-defined]

    def write(self, value: Any, path: str, scene: Scene) -> None:
        import numpy

        with open(path, "wb") as file:
            numpy.save(file, value, allow_pickle=False)

    def read(self, path: str, scene: Scene) -> Any:
        import numpy

        with open(path, "rb") as file:
            return numpy.load(file, allow_pickle=False)

    def same(self, value: Any, loaded: Any) -> bool:
        return bool(value.dtype == loaded.dtype and value.shape == loaded.shape)

    def unchanged(self, value: Any, path: str) -> bool:
        """True when the file still holds the bytes of the array; no second copy is made."""
        if not (value.flags.c_contiguous or value.flags.f_contiguous) or value.nbytes == 0:
            return True
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            order = "C" if value.flags.c_contiguous else "F"
            start = len(mapped) - value.nbytes
            return memoryview(value.reshape(-1, order=order).view("u1")) == memoryview(mapped)[start:]


class PandasCodec:
    """`pandas.DataFrame` and `Series` as Parquet, with index and dtypes; what Parquet would bend goes another way."""

    name = "parquet"

    def takes(self, value: object) -> bool:
        return is_exactly(value, "pandas", "DataFrame", "Series")

    def write(self, value: Any, path: str, scene: Scene) -> None:
        import pyarrow
        import pyarrow.parquet

        frame = value.to_frame(name="values") if value.ndim == 1 else value
        table = pyarrow.Table.from_pandas(frame)
        if value.ndim == 1:
            name = value.name
            if not (name is None or type(name) is str):
                raise ValueError("a series whose name is no text")
            note = b"none" if name is None else b"text:" + name.encode("utf-8")
            table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"tidemill.series": note})
        pyarrow.parquet.write_table(table, path)

    def read(self, path: str, scene: Scene) -> Any:
        import pyarrow.parquet

        with open(path, "rb") as file:
            table = pyarrow.parquet.read_table(file, use_threads=False)
        note = (table.schema.metadata or {}).get(b"tidemill.series")
        frame = table.to_pandas(use_threads=False)
        if note is None:
            return frame
        series = frame["values"]
        series.name = note.decode("utf-8").partition(":")[2] if note.startswith(b"text:") else None
        return series

    def same(self, value: Any, loaded: Any) -> bool:
        return type(value) is type(loaded) and _same_frame(value, loaded)


def _same_frame(value: Any, loaded: Any) -> bool:
    if not _same_index(value.index, loaded.index) or value.attrs != loaded.attrs:
        return False
    if value.ndim == 1:
        return value.name == loaded.name and _same_column(value, loaded)
    if not _same_index(value.columns, loaded.columns):
        return False
    return all(_same_column(value.iloc[:, number], loaded.iloc[:, number]) for number in range(value.shape[1]))


_PLAIN = (str, int, float, bool, bytes, type(None))


def _same_column(value: Any, loaded: Any) -> bool:
    if value.dtype != loaded.dtype or not value.equals(loaded):
        return False
    if value.dtype == object:
        # lists come back from Parquet as arrays, so only plain items are trusted
        return all(type(one) is type(other) and isinstance(one, _PLAIN) for one, other in zip(value, loaded))
    if hasattr(value.dtype, "categories"):
        return _same_index(value.dtype.categories, loaded.dtype.categories)
    return True


def _same_index(value: Any, loaded: Any) -> bool:
    if type(value) is not type(loaded) or list(value.names) != list(loaded.names) or not value.equals(loaded):
        return False
    if hasattr(value, "levels"):
        return all(one.dtype == other.dtype for one, other in zip(value.levels, loaded.levels))
    if getattr(value, "freq", None) != getattr(loaded, "freq", None):
        return False
    if value.dtype == object and any(type(one) is not type(other) for one, other in zip(value, loaded)):
        return False
    return bool(value.dtype == loaded.dtype)


class PolarsCodec:
    """`polars.DataFrame` as Parquet."""

    name = "polars"

    def takes(self, value: object) -> bool:
        return is_exactly(value, "polars", "DataFrame")

    def write(self, value: Any, path: str, scene: Scene) -> None:
        value.write_parquet(path)

    def read(self, path: str, scene: Scene) -> Any:
        import polars

        return polars.read_parquet(path)

    def same(self, value: Any, loaded: Any) -> bool:
        return bool(value.schema == loaded.schema and value.equals(loaded))
