"""What every drift statistic keeps to, the built-in ones and the tests' own."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.monitoring.statistics import (
    DriftStatistic,
    Measured,
    TwoSamples,
    find_statistics,
    select,
    significance_test,
)

RANDOM = random.Random(1)
VALUES = sorted(RANDOM.gauss(0, 1) for _ in range(200))
NUMERIC = TwoSamples(
    kind="numeric", reference_counts=[100, 100], counts=[100, 100], sketch=VALUES, values=VALUES, scale=1.0
)
CATEGORICAL = TwoSamples(kind="categorical", reference_counts=[60, 30, 10], counts=[60, 30, 10])
SHIFTED = {
    "numeric": replace(NUMERIC, counts=[10, 190], values=[value + 3 for value in VALUES]),
    "categorical": replace(CATEGORICAL, counts=[10, 30, 60]),
}
SAME = {"numeric": NUMERIC, "categorical": CATEGORICAL}
EXTREME = [
    replace(NUMERIC, sketch=[0.0], values=[0.0], reference_counts=[0, 1, 0], counts=[0, 1, 0], scale=0.0),
    replace(NUMERIC, values=[1e308, -1e308], counts=[1, 1]),
    replace(CATEGORICAL, reference_counts=[5], counts=[1]),
    replace(CATEGORICAL, reference_counts=[5, 0], counts=[0, 5]),
]


class MedianShift:
    """A plug-in: how far the median moved."""

    name = "median_shift"

    def applies(self, kind: str) -> bool:
        return kind == "numeric"

    def measure(self, samples: TwoSamples) -> Measured:
        middles = [sorted(side)[len(side) // 2] for side in (samples.sketch, samples.values)]
        return Measured(value=min(abs(middles[1] - middles[0]), 1e300))


@pytest.mark.parametrize("statistic", [*find_statistics(()), MedianShift()], ids=lambda each: each.name)
class TestADriftStatistic:
    """The contract of `DriftStatistic`."""

    def test_has_a_plain_name(self, statistic: DriftStatistic) -> None:
        assert statistic.name.isidentifier()

    def test_is_for_some_kind(self, statistic: DriftStatistic) -> None:
        assert any(statistic.applies(kind) for kind in SAME)

    def test_says_nearly_nothing_of_equal_samples_and_more_of_a_shift(self, statistic: DriftStatistic) -> None:
        for kind in filter(statistic.applies, SAME):
            same, shifted = statistic.measure(SAME[kind]), statistic.measure(SHIFTED[kind])
            assert 0 <= same.value < 0.01 < shifted.value
            if same.p_value is not None and shifted.p_value is not None:
                assert shifted.p_value < 1e-6
                assert 0.9 < same.p_value <= 1

    def test_is_finite_whatever_comes(self, statistic: DriftStatistic) -> None:
        for samples in EXTREME:
            if statistic.applies(samples.kind):
                found = statistic.measure(samples)
                assert math.isfinite(found.value)
                assert found.value >= 0
                assert found.p_value is None or 0 <= found.p_value <= 1

    def test_does_not_depend_on_the_order_of_the_values(self, statistic: DriftStatistic) -> None:
        mixed = RANDOM.sample(NUMERIC.values, len(NUMERIC.values))
        if statistic.applies("numeric"):
            assert statistic.measure(replace(NUMERIC, values=mixed)) == statistic.measure(NUMERIC)


def test_each_kind_has_a_test_that_decides() -> None:
    known = {each.name: each for each in find_statistics(())}
    for kind, samples in SAME.items():
        assert known[significance_test(kind)].measure(samples).p_value is not None


def test_a_plug_in_is_found_by_name_and_one_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint(name="median_shift", value=f"{__name__}:MedianShift", group="tidemill.drift_statistics")

    def found(*, group: str, name: str | None = None) -> list[Any]:
        return [entry] if name in (None, "median_shift") else []

    monkeypatch.setattr(select, "entry_points", found)
    monkeypatch.setattr(EntryPoint, "load", lambda _: MedianShift)
    assert find_statistics(("median_shift",))[-1].name == "median_shift"
    with pytest.raises(InvalidInput, match="'mean_shift'"):
        find_statistics(("mean_shift",))
