"""Drift statistics: how far a column of a window is from its reference, and whether that may be chance."""

from tidemill.monitoring.statistics.contract import ENTRY_POINTS, DriftStatistic, Measured, TwoSamples
from tidemill.monitoring.statistics.select import find_statistics, significance_test

__all__ = [
    "ENTRY_POINTS",
    "DriftStatistic",
    "Measured",
    "TwoSamples",
    "find_statistics",
    "significance_test",
]
