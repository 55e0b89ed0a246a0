"""Model packages for tests, made of the small models; pickled, since nobody has to trust them but the test."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

from tidemill_runtime.model_package import LoadedModel, file_digest, load_package

CAR = {"wght": "FP64", "year": "INT64"}


def make_package(
    folder: Path,
    model: Any,
    columns: dict[str, str] | None = None,
    *,
    outputs: list[dict[str, Any]] | None = None,
    sample: list[list[Any]] | None = None,
    nullable: tuple[str, ...] = (),
) -> Path:
    """A package folder; `columns` maps names to datatypes, `sample` holds rows (the model answers them here)."""
    columns = columns or CAR
    folder.mkdir(parents=True)
    file = folder / "model.pickle"
    file.write_bytes(pickle.dumps(model))
    rows = sample if sample is not None else [[1.0, 2], [3.0, 4]]
    document: dict[str, Any] = {
        "schema_version": 1,
        "name": "car",
        "flavour": "test",
        "file": {"path": file.name, "format": "pickle", "digest": file_digest(file), "trusted_types": []},
        "signature": {
            "inputs": [
                {"name": name, "datatype": kind, "shape": [-1, 1], "nullable": name in nullable}
                for name, kind in columns.items()
            ],
            "outputs": outputs or [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
        },
        "input_kind": "array",
        "columns": list(columns),
    }
    if rows:
        answers = model.predict(rows)
        document["sample"] = {
            "inputs": {name: [row[place] for row in rows] for place, name in enumerate(columns)},
            "outputs": answers.tolist(),
        }
    (folder / "model.json").write_text(json.dumps(document))
    return folder


def load(folder: Path, model: Any, columns: dict[str, str] | None = None, **options: Any) -> LoadedModel:
    """The model of a new package."""
    return load_package(make_package(folder, model, columns, **options), allow_pickle=True)
