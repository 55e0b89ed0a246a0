"""What two models answered to the same rows, against the true values: on the whole and by slices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.tables.comparison import Answers, compare, losses, metric_for
from tidemill.tables.slices import slices_of


def compare_answers(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The difference of the mean losses with its interval, as evidence; `answers` are those of champion and challenger.

    Raises `InvalidInput` for values that the metric cannot take.
    """
    truth, seed = asked["truth"], asked["seed"]
    old, new = (Answers(**{name: each[name] for name in Answers.__slots__}) for each in asked["answers"])
    metric = metric_for(asked["metric"], truth, (old, new))
    before, after = losses(metric, truth, old), losses(metric, truth, new)
    parts = slices_of(asked["slices"], before, after, min_rows=asked["min_rows"], seed=seed)
    return {
        "metric": metric,
        **compare(before, after, seed=seed).to_json(),
        "slices": [{**part, "is_worse": part["interval"][0] > asked["margin"]} for part in parts],
    }
