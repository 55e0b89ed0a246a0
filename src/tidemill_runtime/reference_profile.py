"""The reference profile of a table: what its columns looked like when the model was made, to compare with later."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, Sequence

SCHEMA_VERSION = 2
BINS = 10
SKETCH = 256
MAX_CATEGORIES = 100
MAX_CATEGORY_CHARACTERS = 200
NUMERIC = ("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")


def profile_table(columns: Mapping[str, Sequence[Any]], datatypes: Mapping[str, str]) -> Dict[str, Any]:
    """The profile of each column by name; `datatypes` are those of the Open Inference Protocol."""
    return {name: profile_column(values, datatypes[name]) for name, values in columns.items()}


def profile_column(values: Sequence[Any], datatype: str) -> Dict[str, Any]:
    """Count, missing values, and quantile bins (numbers) or counts (everything else) of one column.

    `sketch` of a number is at most `SKETCH` of its values in order, evenly spaced: its distribution with its jumps.
    """
    known = [value for value in values if not is_missing(value)]
    common = {"datatype": datatype, "count": len(values), "missing": len(values) - len(known)}
    if datatype in NUMERIC:
        finite = [float(value) for value in known if math.isfinite(value)]
        return {"kind": "numeric", **common, **_numeric(finite)}
    return {"kind": "categorical", **common, **_categorical(known)}


def _numeric(values: List[float]) -> Dict[str, Any]:
    """Edges are the deciles, equal ones once; bin i counts values in [edge i, edge i+1), the last one closed."""
    if not values:
        return {"edges": [], "counts": [], "sketch": [], "min": None, "max": None, "mean": None, "std": None}
    ordered = sorted(values)
    edges = sorted({_quantile(ordered, part / BINS) for part in range(BINS + 1)})
    scale = max(abs(ordered[0]), abs(ordered[-1])) or 1.0  # so that no sum of large numbers overflows
    small = [value / scale for value in ordered]
    mean = math.fsum(small) / len(small)
    variance = math.fsum((value - mean) ** 2 for value in small) / len(small)
    return {
        "edges": edges,
        "counts": _counts(ordered, edges),
        "sketch": _sketch(ordered),
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean * scale,
        "std": math.sqrt(variance) * scale,
    }


def _sketch(ordered: List[float]) -> List[float]:
    """The values in the middle of `SKETCH` parts of equal size; all of them where there are no more."""
    count = min(SKETCH, len(ordered))
    return [ordered[(2 * part + 1) * len(ordered) // (2 * count)] for part in range(count)]


def _quantile(ordered: List[float], part: float) -> float:
    """Linear between neighbours, as numpy's default."""
    position = part * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    weight = position - low
    return ordered[low] * (1 - weight) + ordered[high] * weight if weight else ordered[low]


def _counts(ordered: List[float], edges: List[float]) -> List[int]:
    if len(edges) == 1:
        return [len(ordered)]
    counts = [0] * (len(edges) - 1)
    place = 0
    for value in ordered:
        while place < len(counts) - 1 and value >= edges[place + 1]:
            place += 1
        counts[place] += 1
    return counts


def _categorical(values: List[Any]) -> Dict[str, Any]:
    """The most frequent values as text with their counts; `other` counts the rest."""
    counts: Dict[str, int] = {}
    for value in values:
        text = category_of(value)
        counts[text] = counts.get(text, 0) + 1
    kept = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_CATEGORIES]
    return {"counts": dict(kept), "distinct": len(counts), "other": len(values) - sum(count for _, count in kept)}


def category_of(value: Any) -> str:
    """The name under which a value is counted; a very long one goes by how it begins."""
    return str(value)[:MAX_CATEGORY_CHARACTERS]


def is_missing(value: Any) -> bool:
    """True for null and NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))
