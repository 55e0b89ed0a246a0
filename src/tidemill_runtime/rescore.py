"""A package answers rows: `python -m tidemill_runtime.rescore REPLY`, the request as JSON on standard input."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from tidemill_runtime.model_package import LoadedModel, json_values, load_package


def rescore(package: Path, rows: Path, *, allow_pickle: bool, probabilities: bool) -> Dict[str, Any]:
    """The model's answers to the columns in the JSON file `rows`; what went wrong stands in `fault`.

    With `probabilities` also those of each class, null where the model has none.
    """
    reply: Dict[str, Any] = {"schema_version": 1, "fault": None, "predictions": [], "classes": None, "shares": None}
    try:
        columns = json.loads(rows.read_text(encoding="utf-8"))
        loaded = load_package(package, allow_pickle=allow_pickle)
        reply["predictions"] = [_plain(answer) for answer in loaded.predict(columns)]
        if probabilities:
            reply.update(_shares(loaded, columns))
    except Exception as problem:  # noqa: BLE001  # a model may fail in any way; that is what is being found out
        reply["fault"] = f"{type(problem).__name__}: {problem}"[:500]
    return reply


def _shares(loaded: LoadedModel, columns: Mapping[str, Sequence[Any]]) -> Dict[str, Any]:
    method: Optional[Any] = getattr(loaded.model, "predict_proba", None)
    classes = getattr(loaded.model, "classes_", None)
    if not callable(method) or classes is None:
        return {"classes": None, "shares": None}
    rows: List[List[Any]] = [list(row) for row in zip(*(columns[name] for name in loaded.metadata.columns))]
    return {"classes": json_values(classes), "shares": json_values(method(loaded.frame(rows)))}


def _plain(value: Any) -> Any:
    """An answer as strict JSON: what is no finite number is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def main() -> None:
    """Read the request, answer, write the reply."""
    request = json.load(sys.stdin)
    reply = rescore(
        Path(request["package"]),
        Path(request["rows"]),
        allow_pickle=bool(request["allow_pickle"]),
        probabilities=bool(request["probabilities"]),
    )
    Path(sys.argv[1]).write_text(json.dumps(reply, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main()
