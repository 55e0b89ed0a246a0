"""The smoke test of a package: `python -m tidemill_runtime.smoke REPLY`, the request as JSON on standard input."""

from __future__ import annotations

import json
import math
import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from tidemill_runtime.model_package import LoadedModel, PackageError, load_package

WARM_UP_CALLS = 5
TIMED_CALLS = 50
TIMED_SECONDS = 2.0
MAX_EXAMPLES = 5


def smoke_test(package: Path, *, relative_tolerance: float, allow_pickle: bool) -> Dict[str, Any]:
    """Load the package, predict its recorded sample, time single rows; what is wrong stands in `faults`."""
    reply: Dict[str, Any] = {
        "schema_version": 1,
        "faults": [],
        "rows": 0,
        "differences": [],
        "load_seconds": 0.0,
        "latency_ms_p50": 0.0,
        "latency_ms_p95": 0.0,
        "python": platform.python_version(),
    }
    started = time.perf_counter()
    try:
        loaded = load_package(package, allow_pickle=allow_pickle)
    except Exception as problem:  # noqa: BLE001  # a damaged file may fail in any way; that is what is being found out
        what = problem.message if isinstance(problem, PackageError) else f"{type(problem).__name__}: {problem}"
        reply["faults"].append(f"the package cannot be loaded: {what}"[:500])
    else:
        reply["load_seconds"] = time.perf_counter() - started
        reply["format"] = loaded.metadata.format
        _answer(loaded, relative_tolerance, reply)
    # ru_maxrss is in KiB on Linux (getrusage(2))
    reply["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return reply


def differing_rows(expected: Sequence[Any], found: Sequence[Any], relative_tolerance: float) -> List[Dict[str, Any]]:
    """The rows whose answers are not alike, each with both answers."""
    rows = range(max(len(expected), len(found)))
    return [
        {"row": row, "expected": _at(expected, row), "found": _at(found, row)}
        for row in rows
        if not _alike(_at(expected, row), _at(found, row), relative_tolerance)
    ]


def _answer(loaded: LoadedModel, relative_tolerance: float, reply: Dict[str, Any]) -> None:
    sample = loaded.metadata.sample
    inputs, expected = sample.get("inputs"), sample.get("outputs")
    if not isinstance(inputs, dict) or not isinstance(expected, list) or not expected:
        reply["faults"].append("the package records no sample with answers")
        return
    try:
        found = loaded.predict(inputs)
        latencies = _latencies(loaded, inputs)
    except Exception as problem:  # noqa: BLE001  # a model may fail in any way; that is what is being found out
        reply["faults"].append(f"predict failed: {type(problem).__name__}: {problem}"[:500])
        return
    reply["rows"] = len(expected)
    differences = differing_rows(expected, found, relative_tolerance)
    if differences:
        reply["faults"].append(f"{len(differences)} of {len(expected)} recorded rows are answered otherwise")
        reply["differences"] = differences[:MAX_EXAMPLES]
    reply["latency_ms_p50"] = latencies[len(latencies) // 2]
    reply["latency_ms_p95"] = latencies[int(len(latencies) * 0.95)]


def _latencies(loaded: LoadedModel, inputs: Mapping[str, Sequence[Any]]) -> List[float]:
    """Sorted milliseconds of predicting one row, some dozens of times."""
    row = {name: values[:1] for name, values in inputs.items()}
    for _ in range(WARM_UP_CALLS):
        loaded.predict(row)
    taken: List[float] = []
    end = time.perf_counter() + TIMED_SECONDS
    while len(taken) < TIMED_CALLS and (not taken or time.perf_counter() < end):
        started = time.perf_counter()
        loaded.predict(row)
        taken.append((time.perf_counter() - started) * 1000)
    return sorted(taken)


def _at(values: Sequence[Any], row: int) -> Any:
    return values[row] if row < len(values) else None


def _alike(expected: Any, found: Any, relative_tolerance: float) -> bool:
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(
            _alike(one, other, relative_tolerance) for one, other in zip(expected, found)
        )
    if _is_number(expected) and _is_number(found):
        if math.isnan(expected) or math.isnan(found):
            return math.isnan(expected) and math.isnan(found)
        return math.isclose(expected, found, rel_tol=relative_tolerance, abs_tol=relative_tolerance)
    return bool(expected == found)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def main() -> None:
    """Read the request, test, write the reply."""
    request = json.load(sys.stdin)
    reply = smoke_test(
        Path(request["package"]),
        relative_tolerance=float(request["relative_tolerance"]),
        allow_pickle=bool(request["allow_pickle"]),
    )
    Path(sys.argv[1]).write_text(json.dumps(_finite(reply), allow_nan=False), encoding="utf-8")


def _finite(value: Any) -> Any:
    """The value with NaN and infinities as text, since the reply is strict JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value


if __name__ == "__main__":
    main()
