"""What a drift statistic is; more of them come as plug-ins of the entry-point group `tidemill.drift_statistics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

ENTRY_POINTS = "tidemill.drift_statistics"
NUMERIC, CATEGORICAL = "numeric", "categorical"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoSamples:
    """One column in the reference and in a window, missing values left out.

    `kind` is `numeric` or `categorical`. `reference_counts` and `counts` count the same bins (of numbers) or
    categories; those too rare for a test are one. A numeric column has its `values` in the window, and in `sketch`
    at most 256 of the reference's, in order; `scale` is the reference's standard deviation, 0 for a constant.
    """

    kind: str
    reference_counts: Sequence[int]
    counts: Sequence[int]
    sketch: Sequence[float] = ()
    values: Sequence[float] = ()
    scale: float = 0.0

    @property
    def reference_rows(self) -> int:
        """How many values the reference has."""
        return sum(self.reference_counts)

    @property
    def rows(self) -> int:
        """How many values the window has."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A distance: 0 where nothing differs, else above 0; `p_value` when the statistic is a test."""

    value: float
    p_value: float | None = None


class DriftStatistic(Protocol):
    """Measures how far a window is from its reference.

    `name` is a plain identifier. `measure` is called with at least one value on each side and for kinds that `applies`
    to; it is a function of its argument alone, finite, and does not depend on the order of the values.
    """

    name: str

    def applies(self, kind: str) -> bool:
        """Whether it measures columns of that kind."""
        ...

    def measure(self, samples: TwoSamples) -> Measured:
        """The distance between the two."""
        ...
