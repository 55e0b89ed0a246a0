"""How right the predictions of a window were, where ground truth has come: metrics, by slice, beside the approval's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.monitoring.rules import Rules, Task
from tidemill.monitoring.rules.parse import METRICS
from tidemill.monitoring.windows.plain_text import plain_text

MOST_SLICES = 20
FEW_LABELS = 20
HIGHER_IS_BETTER = frozenset({"accuracy", "f1", "r2"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A prediction with its truth, and the values of the columns that slices are made of."""

    answer: Any
    truth: Any
    slices: tuple[Any, ...] = ()


def task_of(rules: Rules, profile: Mapping[str, Any]) -> Task:
    """What the model predicts: as the rules say, else by the datatype of its answers in the reference profile."""
    if rules.task is not None:
        return rules.task
    datatype = str(profile["datatype"])
    if datatype.startswith("FP"):
        return Task.REGRESSION
    few = len(set(profile.get("sketch", ()))) <= FEW_LABELS
    return Task.REGRESSION if "INT" in datatype and not few else Task.CLASSIFICATION


def usable(task: Task, datatype: str, answer: Any, truth: Any) -> tuple[Any, Any] | None:
    """Both values as the task compares them, None when the truth is no such value."""
    if task is Task.REGRESSION:
        numbers = _number(answer), _number(truth)
        return None if None in numbers else numbers
    if datatype.startswith("FP"):  # the probability of the label 1
        chance, label = _number(answer), _number(_label(truth, "BOOL"))
        return None if chance is None or label not in (0.0, 1.0) else (chance, label)
    return _label(answer, datatype), _label(truth, datatype)


def metrics_of(task: Task, pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    """The metrics of predictions and truths, as `usable` gives them; at least one pair."""
    if task is Task.REGRESSION:
        return _regression(pairs)
    found = {}
    if isinstance(pairs[0][0], float):
        found["log_loss"] = math.fsum(map(_log_loss, pairs)) / len(pairs)
        pairs = [(float(chance >= 0.5), label) for chance, label in pairs]
    return {"accuracy": sum(answer == truth for answer, truth in pairs) / len(pairs), "f1": _macro_f1(pairs), **found}


def loss_of(metric: str, pair: tuple[Any, Any]) -> float | None:
    """What one prediction adds to a metric that is a mean (of a square for `rmse`); None for one that is not."""
    answer, truth = pair
    if metric == "mae":
        return abs(float(answer - truth))
    if metric == "rmse":
        return float(answer - truth) ** 2
    if metric == "log_loss":
        return _log_loss(pair)
    if metric == "accuracy":
        return float((float(answer >= 0.5) if isinstance(answer, float) else answer) != truth)
    return None


def chosen_metric(rules: Rules, task: Task, known: Mapping[str, float]) -> tuple[str, float | None]:
    """The metric that decides, and its value at the approval: the rules' own, else the first that the version has."""
    names = {name.lower(): value for name, value in known.items()}
    choices = (rules.metric,) if rules.metric else METRICS[task]
    for metric in choices:
        baseline = names.get((rules.baseline or metric).lower())
        if baseline is not None:
            return metric, baseline
    return choices[0], None


def slices_of(columns: Sequence[str], judged: Sequence[Judged]) -> list[tuple[str, str, list[Judged]]]:
    """Column, value and members of each slice; numbers with many values are cut at their quartiles."""
    found: list[tuple[str, str, list[Judged]]] = []
    for place, column in enumerate(columns):
        values = [each.slices[place] for each in judged]
        name = _slice_names(values)
        groups: dict[str, list[Judged]] = {}
        for each, value in zip(judged, values, strict=True):
            groups.setdefault(name(value), []).append(each)
        largest = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_SLICES]
        found += [(column, value, members) for value, members in sorted(largest)]
    return found


def _slice_names(values: Sequence[Any]) -> Any:
    numbers = sorted(value for value in values if isinstance(value, float))
    if len(set(numbers)) <= MOST_SLICES:
        return lambda value: f"{value:g}" if isinstance(value, float) else plain_text(value)
    cuts = [numbers[len(numbers) * part // 4] for part in (1, 2, 3)]

    def name(value: Any) -> str:
        if not isinstance(value, float):
            return plain_text(value)
        place = sum(value >= cut for cut in cuts)
        low = f"{cuts[place - 1]:g} ≤ " if place else ""
        return f"{low}{place + 1}. quarter" + (f" < {cuts[place]:g}" if place < 3 else "")

    return name


def _regression(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    errors = [answer - truth for answer, truth in pairs]
    squares = math.fsum(error * error for error in errors)
    mean = math.fsum(truth for _, truth in pairs) / len(pairs)
    spread = math.fsum((truth - mean) ** 2 for _, truth in pairs)
    found = {
        "mae": math.fsum(map(abs, errors)) / len(pairs),
        "rmse": math.sqrt(squares / len(pairs)),
        "bias": math.fsum(errors) / len(pairs),
    }
    return found if spread == 0 else {**found, "r2": 1 - squares / spread}


def _macro_f1(pairs: Sequence[tuple[Any, Any]]) -> float:
    """The mean over the labels of the harmonic mean of precision and recall."""
    right = Counter(truth for answer, truth in pairs if answer == truth)
    told, true = Counter(answer for answer, _ in pairs), Counter(truth for _, truth in pairs)
    labels = told.keys() | true.keys()
    return math.fsum(2 * right[label] / (told[label] + true[label]) for label in labels) / len(labels)


def _log_loss(pair: tuple[float, float]) -> float:
    chance = min(max(pair[0], 1e-15), 1 - 1e-15)
    return -math.log(chance if pair[1] == 1.0 else 1 - chance)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # so that no square overflows
    return number if math.isfinite(number) and abs(number) < 1e150 else None


def _label(value: Any, datatype: str) -> Any:
    """A label as text; `1`, `1.0` and true are one and the same where labels are numbers or truth values."""
    if datatype == "BOOL" and str(value).strip().lower() in ("true", "false"):
        return str(int(str(value).strip().lower() == "true"))
    number = _number(value) if datatype == "BOOL" or "INT" in datatype else None
    return f"{number:g}" if number is not None else str(value)
