"""Loads a model package: a folder with `model.json` and the one model file that it names by digest."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

MODEL_JSON = "model.json"
SCHEMA_VERSION = 1
MAX_MODEL_JSON_BYTES = 16 * 1024 * 1024
SAFE_FORMATS = ("skops",)
PICKLE_FORMATS = ("joblib", "pickle")

SAFE_MODULES = ("sklearn", "numpy", "scipy", "pandas", "xgboost", "lightgbm", "collections")
"""A declared skops type from elsewhere can run foreign code like a pickle, so it needs `allow_pickle` too."""

NUMPY_TYPES: Dict[str, str] = {
    "FP64": "float64",
    "FP32": "float32",
    "FP16": "float16",
    "INT64": "int64",
    "INT32": "int32",
    "INT16": "int16",
    "INT8": "int8",
    "UINT64": "uint64",
    "UINT32": "uint32",
    "UINT16": "uint16",
    "UINT8": "uint8",
    "BOOL": "bool",
    "BYTES": "object",
}
"""Datatypes of the Open Inference Protocol and the numpy type of each."""


class PackageError(Exception):
    """A model package that cannot or may not be loaded; `place` is the file."""

    def __init__(self, message: str, *, place: str) -> None:
        super().__init__(f"{place}: {message}")
        self.message = message
        self.place = place


@dataclass(frozen=True)
class Tensor:
    """One input or output of a model; -1 in `shape` is the number of rows. `nullable` lets JSON null in (as NaN)."""

    name: str
    datatype: str
    shape: Tuple[int, ...]
    nullable: bool = False

    @property
    def width(self) -> int:
        """Values per row."""
        result = 1
        for size in self.shape[1:]:
            result *= size
        return result


@dataclass(frozen=True)
class PackageMetadata:
    """What `model.json` says; `raw` is the whole document."""

    name: str
    flavour: str
    file: str
    format: str
    file_digest: str
    trusted_types: Tuple[str, ...]
    inputs: Tuple[Tensor, ...]
    outputs: Tuple[Tensor, ...]
    input_kind: str
    columns: Tuple[str, ...]
    raw: Mapping[str, Any]

    @property
    def column_types(self) -> Tuple[str, ...]:
        """The datatype of each column, in the order of the signature."""
        return tuple(item.datatype for item in self.inputs for _ in range(item.width))

    @property
    def sample(self) -> Mapping[str, Any]:
        """The recorded sample: `inputs` by column and the model's own `outputs` for them."""
        found = self.raw.get("sample")
        return found if isinstance(found, dict) else {}


class LoadedModel:
    """A model in memory, and what its package says about it."""

    def __init__(self, model: Any, metadata: PackageMetadata) -> None:
        self.model = model
        self.metadata = metadata
        types = set(metadata.column_types)
        self._uniform: Optional[str] = NUMPY_TYPES[types.pop()] if len(types) == 1 else None

    def predict(self, inputs: Mapping[str, Sequence[Any]]) -> List[Any]:
        """The first output for columns of values of equal length; JSON values, one per row.

        Raises `KeyError` for a missing column.
        """
        names = self.metadata.columns
        rows = [list(row) for row in zip(*(inputs[name] for name in names))]
        return json_values(self.predict_rows(rows))

    def predict_rows(self, rows: Any) -> Any:
        """The first output (numpy array, one item per row) for rows (lists or a 2-D array) in signature order."""
        return self.model.predict(self.frame(rows))

    def predict_all(self, rows: Any) -> List[Any]:
        """Every output of the signature, in its order: `predict`, or a method of the model that an output names."""
        frame = self.frame(rows)
        results = []
        for position, output in enumerate(self.metadata.outputs):
            method = getattr(self.model, output.name, None) if position else self.model.predict
            if not callable(method):
                raise PackageError(f"the model has no method for the output {output.name!r}", place=MODEL_JSON)
            results.append(method(frame))
        return results

    def frame(self, rows: Any) -> Any:
        """Rows as the model was trained on them: an array, or a DataFrame with the columns and their types."""
        import numpy

        if self.metadata.input_kind == "dataframe":
            return self._dataframe(rows)
        return numpy.asarray(rows, dtype=self._uniform or "object")

    def _dataframe(self, rows: Any) -> Any:
        import numpy
        import pandas

        columns = self.metadata.columns
        if self._uniform is not None and self._uniform != "object":
            # one block, no copy per column: this is the path of most requests
            matrix = numpy.asarray(rows, dtype=self._uniform).reshape(-1, len(columns))
            return pandas.DataFrame(matrix, columns=list(columns), copy=False)
        by_column = list(zip(*rows)) or [()] * len(columns)
        arrays = {
            name: numpy.array(values, dtype=NUMPY_TYPES[kind])
            for name, kind, values in zip(columns, self.metadata.column_types, by_column)
        }
        return pandas.DataFrame(arrays)


def load_package(
    path: Union[str, os.PathLike[str]], *, allow_pickle: bool = False, expected_digest: Optional[str] = None
) -> LoadedModel:
    """The model of the package in the folder `path`.

    `expected_digest` (`sha256:<hex>`) is the digest of `model.json`, which names the digest of the model file; both
    are checked before anything is loaded. skops loads with the declared trusted types only; joblib and pickle only
    with `allow_pickle`: the caller vouches that this platform made and signed the file. Nothing falls back.
    Raises `PackageError`.
    """
    folder = Path(path)
    metadata = read_metadata(folder, expected_digest=expected_digest)
    file = _file_inside(folder, metadata.file)
    found = file_digest(file)
    if found != metadata.file_digest:
        raise PackageError(f"has the digest {found}, model.json names {metadata.file_digest}", place=str(file))
    return LoadedModel(_load_file(file, metadata, allow_pickle), metadata)


def read_metadata(folder: Path, *, expected_digest: Optional[str] = None) -> PackageMetadata:
    """What `model.json` in a folder says, checked; loads no model. Raises `PackageError`."""
    place = folder / MODEL_JSON
    try:
        with open(place, "rb") as stream:
            data = stream.read(MAX_MODEL_JSON_BYTES + 1)
    except OSError as problem:
        raise PackageError(f"cannot be read: {problem.strerror}", place=str(place)) from problem
    if len(data) > MAX_MODEL_JSON_BYTES:
        raise PackageError(f"is larger than {MAX_MODEL_JSON_BYTES} bytes", place=str(place))
    found = "sha256:" + hashlib.sha256(data).hexdigest()
    if expected_digest is not None and found != expected_digest:
        raise PackageError(f"has the digest {found}, expected {expected_digest}", place=str(place))
    try:
        document = json.loads(data)
    except ValueError as problem:
        raise PackageError(f"is not JSON: {problem}", place=str(place)) from problem
    try:
        return _metadata(document)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise PackageError(f"is not the description of a model: {problem!r}", place=str(place)) from problem


def file_digest(file: Path) -> str:
    """`sha256:<hex>` of a file's bytes."""
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return "sha256:" + digest.hexdigest()


def json_values(output: Any) -> List[Any]:
    """A model's output as JSON values, one per row; bytes as text, numpy scalars as Python's."""
    values = output.tolist() if hasattr(output, "tolist") else list(output)
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]


def _metadata(document: Mapping[str, Any]) -> PackageMetadata:
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema_version {document['schema_version']!r} is not {SCHEMA_VERSION}")
    file, signature = document["file"], document["signature"]
    kind = document["input_kind"]
    if kind not in ("dataframe", "array"):
        raise ValueError(f"input_kind {kind!r}")
    inputs = tuple(_tensor(item) for item in signature["inputs"])
    outputs = tuple(_tensor(item) for item in signature["outputs"])
    width = sum(item.width for item in inputs)
    columns = tuple(str(name) for name in document.get("columns") or [item.name for item in inputs])
    if not inputs or not outputs or width < 1:
        raise ValueError("a signature needs inputs and outputs")
    if len(columns) != width:
        columns = tuple(f"x{position}" for position in range(width))
    return PackageMetadata(
        name=str(document["name"]),
        flavour=str(document["flavour"]),
        file=str(file["path"]),
        format=str(file["format"]),
        file_digest=str(file["digest"]),
        trusted_types=tuple(str(name) for name in file.get("trusted_types") or ()),
        inputs=inputs,
        outputs=outputs,
        input_kind=kind,
        columns=columns,
        raw=document,
    )


def _tensor(item: Mapping[str, Any]) -> Tensor:
    if item["datatype"] not in NUMPY_TYPES:
        raise ValueError(f"datatype {item['datatype']!r}")
    shape = tuple(int(size) for size in item["shape"])
    if not shape or any(size < 1 for size in shape[1:]):
        raise ValueError(f"shape {item['shape']!r}")
    return Tensor(str(item["name"]), item["datatype"], shape, bool(item.get("nullable", False)))


def _file_inside(folder: Path, name: str) -> Path:
    """The model file; refused when its name or a link leads out of the package."""
    file = folder / name
    if Path(name).name != name or file.is_symlink() or not file.is_file():
        raise PackageError(f"names the file {name!r}, which is not a plain file in the package", place=str(folder))
    return file


def _load_file(file: Path, metadata: PackageMetadata, allow_pickle: bool) -> Any:
    if metadata.format in SAFE_FORMATS:
        return _load_skops(file, metadata, allow_pickle)
    if metadata.format not in PICKLE_FORMATS:
        known = ", ".join(SAFE_FORMATS + PICKLE_FORMATS)
        raise PackageError(f"has the unknown format {metadata.format!r} (known: {known})", place=str(file))
    if not allow_pickle:
        raise PackageError(
            f"is a {metadata.format} file, which can run code when it is loaded; only one that this platform made and "
            "signed is loaded",
            place=str(file),
        )
    if metadata.format == "pickle":
        with open(file, "rb") as stream:
            return pickle.load(stream)
    import joblib

    return joblib.load(file)


def _load_skops(file: Path, metadata: PackageMetadata, allow_pickle: bool) -> Any:
    foreign = [name for name in metadata.trusted_types if name.split(".")[0] not in SAFE_MODULES]
    if foreign and not allow_pickle:
        raise PackageError(f"declares types of unknown libraries: {', '.join(foreign)}", place=str(file))
    import skops.io

    undeclared = sorted(set(skops.io.get_untrusted_types(file=file)) - set(metadata.trusted_types))
    if undeclared:
        raise PackageError(f"holds types that are not declared: {', '.join(undeclared)}", place=str(file))
    return skops.io.load(file, trusted=list(metadata.trusted_types))
