"""Makes the benchmark's model package: gradient boosting with 100 trees on 8 columns. Runs where scikit-learn is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib
import numpy
from sklearn.ensemble import GradientBoostingRegressor

from tidemill_runtime.model_package import file_digest

COLUMNS = [f"f{place}" for place in range(8)]


def main(folder: Path, kind: str) -> None:
    """Write the package; `kind` is `array` or `dataframe`."""
    folder.mkdir(parents=True)
    random = numpy.random.default_rng(0)
    rows = random.normal(size=(500, len(COLUMNS)))
    table = rows
    if kind == "dataframe":
        import pandas

        table = pandas.DataFrame(rows, columns=COLUMNS)
    model = GradientBoostingRegressor(n_estimators=100, random_state=0)
    model.fit(table, rows[:, 0] * 3 + rows[:, 1] ** 2)
    joblib.dump(model, folder / "model.joblib")
    document = {
        "schema_version": 1,
        "name": "gbr",
        "flavour": "sklearn",
        "python_class": f"{type(model).__module__}.{type(model).__qualname__}",
        "file": {"path": "model.joblib", "format": "joblib", "digest": file_digest(folder / "model.joblib")},
        "signature": {
            "inputs": [{"name": name, "datatype": "FP64", "shape": [-1, 1]} for name in COLUMNS],
            "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
        },
        "input_kind": kind,
        "columns": COLUMNS,
        "sample": {
            "inputs": {name: rows[:5, place].tolist() for place, name in enumerate(COLUMNS)},
            "outputs": model.predict(table[:5]).tolist(),
        },
    }
    (folder / "model.json").write_text(json.dumps(document))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
