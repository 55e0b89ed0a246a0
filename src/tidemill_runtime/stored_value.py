"""Reads a value that a step stored: by the codec that the step recorded, or by the look of the file."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any, Mapping

from tidemill_runtime.model_package import PackageError

PARQUET_MAGIC = b"PAR1"
NPY_MAGIC = b"\x93NUMPY"


def load_value(path: Path, metadata: Mapping[str, Any], *, made_here: bool) -> Any:
    """The value in a file. Runs in a fresh process of the run's own lock, since some formats run code when read.

    Of a file that no step of this site made only formats are read that cannot run code. Raises `PackageError` when
    it cannot or may not be read.
    """
    file = _single_file(path)
    if metadata.get("codec") and made_here:
        return _by_codec(file, metadata)
    with open(file, "rb") as stream:
        start = stream.read(8)
    try:
        if start.startswith(PARQUET_MAGIC):
            import pandas

            return pandas.read_parquet(file)
        if start.startswith(NPY_MAGIC):
            import numpy

            return numpy.load(file, allow_pickle=False)
        if _is_skops(file):
            import skops.io

            types = skops.io.get_untrusted_types(file=file)
            if types and not made_here:
                raise _foreign(file, f"holds the types {', '.join(types)[:200]}")
            return skops.io.load(file, trusted=types)
        if file.suffix == ".csv":
            import pandas

            return pandas.read_csv(file)
        if not made_here:
            raise _foreign(file, "may be a pickle")
        import joblib

        return joblib.load(file)
    except (ImportError, ValueError, TypeError, KeyError, EOFError, AttributeError, OSError, IndexError) as problem:
        raise PackageError(f"cannot be read: {type(problem).__name__}: {problem}"[:500], place=str(file)) from problem


def _foreign(file: Path, what: str) -> PackageError:
    return PackageError(
        f"was brought in from elsewhere and {what}, which can run foreign code when it is read; Parquet, .npy and "
        "CSV cannot",
        place=str(file),
    )


def _by_codec(file: Path, metadata: Mapping[str, Any]) -> Any:
    """A value of a notebook step; what its functions need of the notebook comes with it."""
    from tidemill_runtime.step.codecs import NotCarried, Scene
    from tidemill_runtime.step.codecs import load_value as load_by_codec

    main = sys.modules["__main__"]
    scene = Scene(main=main)
    try:
        value = load_by_codec(str(file), metadata, scene)
    except NotCarried as problem:
        raise PackageError(f"cannot be read: {problem}"[:500], place=str(file)) from problem
    for name, brought in scene.brought.items():
        main.__dict__.setdefault(name, brought)
    return value


def _single_file(path: Path) -> Path:
    if path.is_file():
        return path
    files = sorted(file for file in path.rglob("*") if file.is_file())
    if len(files) != 1:
        raise PackageError(f"is a folder with {len(files)} files, expected one", place=str(path))
    return files[0]


def _is_skops(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return "schema.json" in archive.namelist()
