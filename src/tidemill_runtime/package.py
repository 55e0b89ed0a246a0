"""Makes a model package of a run's model: `python -m tidemill_runtime.package REPLY`, the request on standard input."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from tidemill_runtime.model_package import (
    MODEL_JSON,
    SAFE_MODULES,
    PackageError,
    file_digest,
    json_values,
    load_package,
)
from tidemill_runtime.notebook_scene import enter_notebook
from tidemill_runtime.reference_profile import SCHEMA_VERSION as PROFILE_SCHEMA_VERSION
from tidemill_runtime.reference_profile import profile_column, profile_table
from tidemill_runtime.smoke import differing_rows
from tidemill_runtime.step.codecs.models import make_reproducible
from tidemill_runtime.stored_value import load_value

SCHEMA_VERSION = 1
SAMPLE_ROWS = 20
TOLERANCE = 1e-9
LOCK_JSON = "lock.json"
OUTPUT = "predict"


class Table(NamedTuple):
    """Feature rows: a DataFrame or a 2-D array, its column names and the datatype of each."""

    rows: Any
    kind: str
    columns: Tuple[str, ...]
    datatypes: Tuple[str, ...]

    def values(self, rows: Any) -> Dict[str, List[Any]]:
        """Some of the rows as JSON values by column."""
        if self.kind == "dataframe":
            return {name: [_json_value(value) for value in rows[name].tolist()] for name in self.columns}
        return {
            name: [_json_value(value) for value in rows[:, place].tolist()] for place, name in enumerate(self.columns)
        }


def make_package(request: Mapping[str, Any], output: Path) -> Dict[str, Any]:
    """Write the package into the folder `output`, which must not exist, and load it again; what `model.json` says.

    Raises `PackageError` for a model without `predict`, a sample that is no table, and a model that answers otherwise
    after it was stored.
    """
    _enter_notebook(request, output.parent / "modules")
    model = _load(request["model"])
    if not callable(getattr(model, "predict", None)):
        raise PackageError(f"is a {_class_of(model)}, which has no predict", place=str(request["model"]["name"]))
    sample = _table(model, request["sample"])
    profiled = _table(model, request["profile"]) if request.get("profile") else sample
    picked = _pick(sample)
    answers = model.predict(picked)
    output.mkdir(parents=True)
    file = _write_model(model, output)
    outputs, answers_of_all = _output(answers), model.predict(profiled.rows)
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": request["name"],
        "flavour": "sklearn",
        "python_class": _class_of(model),
        "file": file,
        "signature": {"inputs": _inputs(sample, profiled), "outputs": [outputs]},
        "input_kind": sample.kind,
        "columns": list(sample.columns),
        "lock_digest": request["lock"]["digest"],
        "sample": {"inputs": sample.values(picked), "outputs": [_json_value(row) for row in json_values(answers)]},
        "reference_profile": _profile(profiled, json_values(answers_of_all), outputs),
        "made_from": request.get("made_from") or {},
    }
    _write_json(output / LOCK_JSON, request["lock"])
    _write_json(output / MODEL_JSON, document)
    _check(output, document)
    return document


def _enter_notebook(request: Mapping[str, Any], folder: Path) -> None:
    """For a model that holds functions or classes of its notebook: those must be there before it is read."""
    program = request.get("program")
    codecs = {(request[role].get("metadata") or {}).get("codec") for role in ("model", "sample")}
    if program is None or "cloudpickle" not in codecs:
        return
    modules = enter_notebook(program, request.get("parameters") or {}, folder)
    if modules:
        import cloudpickle

        for module in modules:
            cloudpickle.register_pickle_by_value(module)


def _check(output: Path, document: Mapping[str, Any]) -> None:
    """The stored model answers the recorded sample as the model in memory did."""
    loaded = load_package(output, allow_pickle=True)
    sample = document["sample"]
    found = [_json_value(row) for row in loaded.predict(sample["inputs"])]
    differences = differing_rows(sample["outputs"], found, TOLERANCE)
    if differences:
        raise PackageError(
            f"answers {len(differences)} of {len(found)} sample rows otherwise after it was stored, such as "
            f"{json.dumps(differences[0])[:300]}",
            place=str(document["name"]),
        )


def _load(source: Mapping[str, Any]) -> Any:
    made_here = source.get("made_here") is True
    try:
        return load_value(Path(source["path"]), source.get("metadata") or {}, made_here=made_here)
    except PackageError as problem:
        # the file is a copy that is gone afterwards; its name in the run is what a person knows
        raise PackageError(problem.message, place=str(source["name"])) from problem


def _table(model: Any, source: Mapping[str, Any]) -> Table:
    value = _load(source)
    place = str(source["name"])
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        return _frame(model, value, place)
    if getattr(value, "ndim", 0) == 2 and value.shape[0] and value.shape[1]:
        columns = tuple(f"x{place}" for place in range(value.shape[1]))
        return Table(value, "array", columns, (_datatype(value.dtype),) * len(columns))
    raise PackageError(f"is a {_class_of(value)}, not a table of feature rows", place=place)


def _frame(model: Any, frame: Any, place: str) -> Table:
    """The frame with the columns that the model was fitted on, in that order, where it remembers them."""
    names = getattr(model, "feature_names_in_", None)
    wanted = [str(name) for name in (frame.columns if names is None else names)]
    frame = frame.rename(columns=str)
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise PackageError(f"lacks the columns {', '.join(missing)} that the model was fitted on", place=place)
    frame = frame[wanted].reset_index(drop=True)
    if not len(frame) or not wanted:
        raise PackageError("has no rows", place=place)
    return Table(frame, "dataframe", tuple(wanted), tuple(_datatype(frame[name].dtype) for name in wanted))


def _pick(table: Table) -> Any:
    """At most `SAMPLE_ROWS` rows, evenly spaced, whole rows first."""
    import numpy

    values = table.values(table.rows)
    count = len(table.rows)
    whole = [row for row in range(count) if all(column[row] is not None for column in values.values())]
    chosen = whole or list(range(count))
    places = numpy.linspace(0, len(chosen) - 1, min(SAMPLE_ROWS, len(chosen))).round()
    rows = [chosen[int(place)] for place in places]
    return table.rows.iloc[rows] if table.kind == "dataframe" else table.rows[rows]


def _inputs(sample: Table, profiled: Table) -> List[Dict[str, Any]]:
    """One input per column; those of an array are one input with a width."""
    values = profiled.values(profiled.rows)
    nullable = {name: any(value is None for value in column) for name, column in values.items()}
    if sample.kind == "array":
        tensor = {"name": "x", "datatype": sample.datatypes[0], "shape": [-1, len(sample.columns)]}
        return [{**tensor, "nullable": True} if any(nullable.values()) else tensor]
    return [
        {"name": name, "datatype": datatype, "shape": [-1, 1], **({"nullable": True} if nullable[name] else {})}
        for name, datatype in zip(sample.columns, sample.datatypes)
    ]


def _output(answers: Any) -> Dict[str, Any]:
    import numpy

    found = numpy.asarray(answers)
    return {"name": OUTPUT, "datatype": _datatype(found.dtype), "shape": [-1, *found.shape[1:]]}


def _profile(table: Table, answers: Sequence[Any], output: Mapping[str, Any]) -> Dict[str, Any]:
    datatypes = dict(zip(table.columns, table.datatypes))
    plain = [row for row in answers if not isinstance(row, list)]
    return {
        "schema_version": PROFILE_SCHEMA_VERSION,
        "rows": len(answers),
        "inputs": profile_table(table.values(table.rows), datatypes),
        "outputs": {OUTPUT: profile_column(plain, output["datatype"])} if plain else {},
    }


def _write_model(model: Any, output: Path) -> Dict[str, Any]:
    """skops where it can hold the model with types of known libraries only; else a pickle, loaded when vouched for.

    cloudpickle, where the lock has it, takes a notebook's own functions and classes along; joblib is with scikit-learn.
    """
    stored = _write_skops(model, output / "model.skops")
    if stored is not None:
        return stored
    try:
        import cloudpickle
    except ImportError:
        import joblib

        file, stored_as = output / "model.joblib", "joblib"
        joblib.dump(model, file)
    else:
        file, stored_as = output / "model.pkl", "pickle"
        with open(file, "wb") as stream:
            cloudpickle.dump(model, stream, protocol=5)
    return {"path": file.name, "format": stored_as, "digest": file_digest(file), "trusted_types": []}


def _write_skops(model: Any, file: Path) -> Optional[Dict[str, Any]]:
    try:
        import skops.io
    except ImportError:
        return None
    try:
        skops.io.dump(model, file)
        make_reproducible(str(file))
        types = sorted(skops.io.get_untrusted_types(file=file))
        known = all(name.split(".")[0] in SAFE_MODULES for name in types)
        if known:
            skops.io.load(file, trusted=types)
    except Exception as problem:  # noqa: BLE001  # whatever skops cannot hold goes into the other format, and says so
        print(f"skops cannot hold this model ({type(problem).__name__}: {problem}); pickle is used", file=sys.stderr)  # noqa: T201  # stderr is the log
        known = False
    if not known:
        if file.exists():
            file.unlink()
        return None
    return {"path": file.name, "format": "skops", "digest": file_digest(file), "trusted_types": types}


def _datatype(dtype: Any) -> str:
    """The datatype of the protocol for a numpy or pandas type."""
    kind = getattr(dtype, "kind", "O")
    return {"f": "FP64", "i": "INT64", "u": "INT64", "b": "BOOL"}.get(kind, "BYTES")


def _json_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_json_value(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    return str(value)


def _class_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Read the request, make the package, write the reply."""
    request = json.load(sys.stdin)
    output = Path(request["output"])
    try:
        document = make_package(request, output)
    except PackageError as problem:
        reply = {"schema_version": 1, "error": problem.message, "place": problem.place}
    else:
        digest = hashlib.sha256((output / MODEL_JSON).read_bytes()).hexdigest()
        reply = {"schema_version": 1, "model": document, "model_json_digest": f"sha256:{digest}"}
    Path(sys.argv[1]).write_text(json.dumps(reply), encoding="utf-8")


if __name__ == "__main__":
    main()
