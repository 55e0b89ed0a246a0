"""Two models by their losses on the same rows: the difference of the means, and how sure it is (paired bootstrap)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.base.errors import InvalidInput

LEVEL = 0.95
RESAMPLES = 2_000
CHUNK_VALUES = 5_000_000
SMALLEST_SHARE = 1e-15
"""What a class counts with that a model calls impossible; log(0) would end every comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model answered to each row; `shares` are its probabilities by row, in the order of `classes`."""

    predictions: Sequence[Any]
    classes: Sequence[Any] | None = None
    shares: Sequence[Sequence[float]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The mean loss of the challenger minus that of the champion, with its interval; above 0 is worse."""

    rows: int
    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    level: float

    def to_json(self) -> dict[str, Any]:
        """As evidence."""
        return {
            "rows": self.rows,
            "champion_loss": self.champion,
            "challenger_loss": self.challenger,
            "difference": self.difference,
            "interval": [self.low, self.high],
            "level": self.level,
        }


def metric_for(named: str, truth: Sequence[Any], answers: Sequence[Answers]) -> str:
    """The metric that was named; else accuracy where the truth and all answers are labels, mae where they are numbers.

    Whole numbers are labels, as long as no answer has a fraction.
    """
    if named:
        return named
    values = [*truth, *(value for each in answers for value in each.predictions)]
    return "accuracy" if all(_is_label(value) for value in values if value is not None) else "mae"


def losses(metric: str, truth: Sequence[Any], answers: Answers) -> list[float]:
    """The loss of each row; `InvalidInput` for values that the metric cannot take."""
    if metric == "log_loss":
        return _log_losses(truth, answers)
    both = list(zip(truth, answers.predictions, strict=True))
    if metric == "accuracy":
        return [float(_label(wanted) != _label(found)) for wanted, found in both]
    pairs = [(_number(wanted), _number(found)) for wanted, found in both]
    if metric == "mse":
        return [(wanted - found) ** 2 for wanted, found in pairs]
    return [abs(wanted - found) for wanted, found in pairs]


def compare(champion: Sequence[float], challenger: Sequence[float], *, seed: int, level: float = LEVEL) -> Difference:
    """Paired bootstrap of the mean difference: rows are drawn with replacement, `RESAMPLES` times; percentiles.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. The same seed gives the same interval.
    """
    import numpy

    old: Any = numpy.asarray(champion, dtype=float)
    new: Any = numpy.asarray(challenger, dtype=float)
    each = new - old
    random = numpy.random.default_rng(seed)
    size = len(each)
    at_a_time = max(1, CHUNK_VALUES // size)
    means = numpy.concatenate(
        [
            each[random.integers(0, size, (min(at_a_time, RESAMPLES - start), size))].mean(axis=1)
            for start in range(0, RESAMPLES, at_a_time)
        ]
    )
    low, high = numpy.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Difference(
        rows=size,
        champion=float(old.mean()),
        challenger=float(new.mean()),
        difference=float(each.mean()),
        low=float(low),
        high=float(high),
        level=level,
    )


def _log_losses(truth: Sequence[Any], answers: Answers) -> list[float]:
    if answers.classes is None or answers.shares is None:
        raise InvalidInput("a model gives no probabilities, so that there is no log loss", place="challenger.metric")
    place = {_label(name): number for number, name in enumerate(answers.classes)}
    found = []
    for wanted, shares in zip(truth, answers.shares, strict=True):
        number = place.get(_label(wanted))
        found.append(-math.log(max(SMALLEST_SHARE, shares[number] if number is not None else 0.0)))
    return found


def _is_label(value: Any) -> bool:
    return isinstance(value, bool | int | str) or (isinstance(value, float) and value.is_integer())


def _label(value: Any) -> Any:
    """A label as it is compared: 1, 1.0 and true are one, "1" is another."""
    if isinstance(value, bool):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: Any) -> float:
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    raise InvalidInput(
        f"{str(value)[:80]!r} is no number, so that nobody can say how far off it is",
        place="challenger.metric",
        remedy='for labels: metric = "accuracy"',
    )
