"""Statistics over counts: the population stability index, Jensen-Shannon, and the chi-squared test."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tidemill.monitoring.statistics.contract import CATEGORICAL, Measured, TwoSamples

SMOOTHING = 0.5
"""Added to each count (Jeffreys), so that an empty bin is no infinite distance."""


class PopulationStability:
    """The population stability index less what chance alone gives.

    With no drift it is (1/n + 1/m) times a chi-squared variable with one degree of freedom less than bins
    (Yurdakul, 2018), whose mean is taken off: else each small window would seem to drift.
    """

    name = "psi"

    def applies(self, kind: str) -> bool:
        return True

    def measure(self, samples: TwoSamples) -> Measured:
        pairs = list(zip(_shares(samples.reference_counts), _shares(samples.counts), strict=True))
        index = math.fsum((after - before) * math.log(after / before) for before, after in pairs)
        by_chance = (len(pairs) - 1) * (1 / samples.rows + 1 / samples.reference_rows)
        return Measured(value=max(0.0, index - by_chance))


class JensenShannon:
    """The Jensen-Shannon distance to the base 2: 0 for equal shares, 1 for nothing in common (Lin, 1991)."""

    name = "jensen_shannon"

    def applies(self, kind: str) -> bool:
        return True

    def measure(self, samples: TwoSamples) -> Measured:
        total = 0.0
        for before, after in zip(samples.reference_counts, samples.counts, strict=True):
            first, second = before / samples.reference_rows, after / samples.rows
            middle = (first + second) / 2
            total += sum(share * math.log2(share / middle) for share in (first, second) if share > 0)
        return Measured(value=math.sqrt(min(1.0, max(0.0, total / 2))))


class ChiSquared:
    """Pearson's chi-squared test that both have the same shares; the value is Cramer's V."""

    name = "chi_squared"

    def applies(self, kind: str) -> bool:
        return kind == CATEGORICAL

    def measure(self, samples: TwoSamples) -> Measured:
        from scipy.stats import chi2_contingency  # 0.7 s: only the process that computes windows pays

        table = [
            (before, after)
            for before, after in zip(samples.reference_counts, samples.counts, strict=True)
            if before + after
        ]
        if len(table) < 2:
            return Measured(value=0.0, p_value=1.0)
        found = chi2_contingency(table, correction=len(table) == 2)
        total = samples.rows + samples.reference_rows
        return Measured(value=math.sqrt(float(found.statistic) / total), p_value=float(found.pvalue))


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) + SMOOTHING * len(counts)
    return [(count + SMOOTHING) / total for count in counts]
