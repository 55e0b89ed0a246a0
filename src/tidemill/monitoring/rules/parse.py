"""Rules from the table `[monitor]` of a project file, or from the JSON of a request in the same form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.monitoring.rules.model import MIN_ROWS, AlertKind, Rules, Task

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SHORTEST_SECONDS, LONGEST_SECONDS = 5, 31 * 86_400
METRICS = {
    Task.REGRESSION: ("mae", "rmse", "r2"),
    Task.CLASSIFICATION: ("accuracy", "f1", "log_loss"),
}
_DURATION = re.compile(r"(\d{1,7})(s|m|h|d)")
_RENAMED: dict[tuple[str, ...], str] = {
    ("for",): "windows_to_raise",
    ("clear",): "windows_to_resolve",
    ("drift", "threshold"): "drift_threshold",
    ("quality", "share"): "quality_share",
    ("quality", "rejected"): "rejected_share",
}


def parse_rules(value: Mapping[str, Any], *, place: str) -> Rules:
    """The rules that a checked table `[monitor]` declares; what it leaves out has its default.

    Raises `InvalidInput` with the field for what contradicts itself or names nothing.
    """
    fields: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            fields.update({_RENAMED.get((key, str(name)), str(name)): each for name, each in item.items()})
        else:
            fields[_RENAMED.get((key,), key)] = item
    if "window" in fields and "window_rows" in fields:
        raise InvalidInput("and window are two ways to cut windows", place=f"{place}.window_rows", remedy="choose one")
    if "window" in fields:
        fields["window_seconds"] = parse_duration(fields.pop("window"), place=f"{place}.window")
    rows = fields.get("window_rows", 0)
    fields.setdefault("min_rows", min(MIN_ROWS, rows) if rows else MIN_ROWS)
    for name in ("slices", "extra_statistics"):
        fields[name] = tuple(dict.fromkeys(fields.get(name, ())))
    if "alerts" in fields:
        fields["alerts"] = tuple(AlertKind(each) for each in dict.fromkeys(fields["alerts"]))
    if "task" in fields:
        fields["task"] = Task(fields["task"])
    rules = Rules(**fields)
    _check(rules, place)
    return rules


def parse_duration(text: str, *, place: str) -> float:
    """Seconds of `90s`, `15m`, `1h` or `7d`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{text[:40]!r} is no duration", place=place, remedy="write 90s, 15m, 1h or 7d")
    seconds = int(found[1]) * UNITS[found[2]]
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise InvalidInput(f"{text} is out of range", place=place, remedy="choose from 5s to 31d")
    return float(seconds)


def _check(rules: Rules, place: str) -> None:
    if rules.window_rows and rules.min_rows > rules.window_rows:
        raise InvalidInput(
            f"a window of {rules.window_rows} rows never has {rules.min_rows}",
            place=f"{place}.min_rows",
            remedy="choose at most window_rows",
        )
    for name in ("significance", "quality_share", "rejected_share", "error_rate"):
        if not 0 < getattr(rules, name) < 1:
            raise InvalidInput(f"{name} is not between 0 and 1", place=place, remedy="write a share, such as 0.05")
    if rules.factor <= 1:
        raise InvalidInput("is not above 1", place=f"{place}.performance.factor", remedy="write how many times worse")
    if rules.drift_threshold <= 0:
        raise InvalidInput("is not above 0", place=f"{place}.drift.threshold", remedy="0.2 is usual for PSI")
    known = METRICS[rules.task] if rules.task is not None else tuple(name for each in METRICS.values() for name in each)
    if rules.metric and rules.metric not in known:
        raise InvalidInput(
            f"{rules.metric[:40]!r} is not computed",
            place=f"{place}.performance.metric",
            remedy=f"choose {', '.join(known)}",
        )
