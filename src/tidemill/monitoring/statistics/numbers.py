"""Statistics over the values of numeric columns: Kolmogorov-Smirnov and Wasserstein."""

from __future__ import annotations

import sys
from typing import Any

from tidemill.monitoring.statistics.contract import NUMERIC, Measured, TwoSamples


class KolmogorovSmirnov:
    """The two-sample Kolmogorov-Smirnov test; ties make it cautious, never rash.

    The largest distance between the distributions is taken against the sketch, and its chance from the sizes of both
    samples as Hodges (1958) does for large ones.
    """

    name = "kolmogorov_smirnov"

    def applies(self, kind: str) -> bool:
        return kind == NUMERIC

    def measure(self, samples: TwoSamples) -> Measured:
        import numpy
        from scipy.stats import kstwo  # 0.7 s: only the process that computes windows pays

        reference: Any = numpy.sort(numpy.asarray(samples.sketch, dtype=float))
        window: Any = numpy.sort(numpy.asarray(samples.values, dtype=float))
        points = numpy.concatenate([reference, window])
        before = numpy.searchsorted(reference, points, side="right") / len(reference)
        after = numpy.searchsorted(window, points, side="right") / len(window)
        distance = float(numpy.max(numpy.abs(before - after)))
        size = len(window) * samples.reference_rows / (len(window) + samples.reference_rows)
        return Measured(value=distance, p_value=float(kstwo.sf(distance, max(1, round(size)))))


class Wasserstein:
    """How far values moved on average, in standard deviations of the reference (in its own unit for a constant)."""

    name = "wasserstein"

    def applies(self, kind: str) -> bool:
        return kind == NUMERIC

    def measure(self, samples: TwoSamples) -> Measured:
        from scipy.stats import wasserstein_distance  # 0.7 s: only the process that computes windows pays

        unit = samples.scale or 1.0
        first, second = [value / unit for value in samples.sketch], [value / unit for value in samples.values]
        return Measured(value=min(float(wasserstein_distance(first, second)), sys.float_info.max))
