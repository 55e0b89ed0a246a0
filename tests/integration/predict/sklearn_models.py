"""Runs where scikit-learn is: packages of several models, loaded safely and cut short only where it is exact.

Writes one JSON object by model: which path was chosen, and whether its answers are those of `predict`.
"""

from __future__ import annotations

import json
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy
import pandas
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from tidemill_runtime.model_package import PackageError, file_digest, load_package
from tidemill_runtime.predict.fast_paths import fastest
from tidemill_runtime.predict.server import sample_rows

ROWS = pandas.DataFrame(numpy.random.default_rng(0).normal(size=(200, 3)), columns=["a", "b", "c"])
TARGET = ROWS["a"] * 3 + ROWS["b"] ** 2
MIXED = ROWS.assign(origin=["USA", "Europe"] * 100)
FP64 = {"a": "FP64", "b": "FP64", "c": "FP64"}
MODELS: dict[str, tuple[Any, Any, dict[str, str]]] = {
    "boosted trees": (GradientBoostingRegressor(random_state=0), ROWS, FP64),
    "boosted trees, array": (GradientBoostingRegressor(random_state=0), ROWS.to_numpy(), FP64),
    "boosted, other loss": (GradientBoostingRegressor(loss="huber", random_state=0), ROWS, FP64),
    "pipeline": (make_pipeline(StandardScaler(), PolynomialFeatures(2), Ridge()), ROWS, FP64),
    "histogram": (HistGradientBoostingRegressor(random_state=0), ROWS, FP64),
    "whole and broken numbers": (
        make_pipeline(StandardScaler(), Ridge()),
        ROWS.assign(c=numpy.arange(200)),
        {**FP64, "c": "INT64"},
    ),
    "columns by name": (
        make_pipeline(ColumnTransformer([("scale", StandardScaler(), ["b", "a"])]), Ridge()),
        ROWS,
        FP64,
    ),
    "columns of several types": (
        make_pipeline(ColumnTransformer([("code", OneHotEncoder(), ["origin"])], remainder="passthrough"), Ridge()),
        MIXED,
        {**FP64, "origin": "BYTES"},
    ),
}


def package(folder: Path, model: Any, table: Any, columns: dict[str, str]) -> Path:
    """A package in the safe format."""
    folder.mkdir(parents=True)
    file = folder / "model.skops"
    skops.io.dump(model, file)
    frame = table if hasattr(table, "columns") else pandas.DataFrame(table, columns=list(columns))
    document = {
        "schema_version": 1,
        "name": "m",
        "flavour": "sklearn",
        "file": {
            "path": file.name,
            "format": "skops",
            "digest": file_digest(file),
            "trusted_types": skops.io.get_untrusted_types(file=file),
        },
        "signature": {
            "inputs": [{"name": name, "datatype": kind, "shape": [-1, 1]} for name, kind in columns.items()],
            "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
        },
        "input_kind": "dataframe" if hasattr(table, "columns") else "array",
        "columns": list(columns),
        "sample": {"inputs": {name: frame[name][:10].tolist() for name in columns}, "outputs": []},
    }
    (folder / "model.json").write_text(json.dumps(document))
    return folder


def examine(folder: Path) -> dict[str, Any]:
    """What became of each model."""
    told: dict[str, Any] = {}
    for name, (model, table, columns) in MODELS.items():
        model.fit(table, TARGET)
        loaded = load_package(package(folder / name, model, table, columns))
        chosen = fastest(loaded, sample_rows(loaded))
        rows = [list(row) for row in (table.values.tolist() if hasattr(table, "columns") else table.tolist())[50:150]]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exact = numpy.array_equal(chosen(rows), loaded.predict_rows(rows))
        told[name] = {"path": chosen.__qualname__.split(".")[0], "exact": bool(exact)}
        if name == "boosted trees":
            told["not finite"] = _error(lambda chosen=chosen: chosen([[float("nan"), 0.0, 0.0]]))
    told["undeclared type"] = _undeclared(folder / "undeclared")
    told["foreign type"] = _foreign(folder / "foreign")
    told["pickle in disguise"] = _disguised(folder / "disguised")
    return told


def _undeclared(folder: Path) -> str:
    model = RandomForestClassifier(n_estimators=2).fit(ROWS, TARGET > 0)
    package(folder, model, ROWS, FP64)
    _edit(folder, trusted_types=[])
    return _error(lambda: load_package(folder, allow_pickle=True))


def _foreign(folder: Path) -> str:
    package(folder, Ridge().fit(ROWS, TARGET), ROWS, FP64)
    _edit(folder, trusted_types=["os.system"])
    return _error(lambda: load_package(folder))


def _disguised(folder: Path) -> str:
    """A failing safe load never falls back to an unsafe one."""
    package(folder, Ridge().fit(ROWS, TARGET), ROWS, FP64)
    (folder / "model.skops").write_bytes(pickle.dumps(Ridge()))
    _edit(folder, digest=file_digest(folder / "model.skops"))
    return _error(lambda: load_package(folder, allow_pickle=True))


def _edit(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    document = json.loads(path.read_text())
    document["file"].update(changes)
    path.write_text(json.dumps(document))


def _error(attempt: Any) -> str:
    try:
        attempt()
    except (PackageError, ValueError, TypeError, OSError) as problem:
        return f"{type(problem).__name__}: {problem}"
    except Exception as problem:  # noqa: BLE001 -- told to the test, which judges it
        return f"{type(problem).__name__}: {problem}"
    return "nothing was wrong"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(examine(Path(sys.argv[1]))))
