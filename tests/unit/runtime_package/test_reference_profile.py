"""The reference profile and the comparison of answers, with the standard library only."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill_runtime.reference_profile import MAX_CATEGORIES, SKETCH, profile_column, profile_table
from tidemill_runtime.smoke import differing_rows


def test_numbers_are_binned_by_their_deciles() -> None:
    found = profile_column([float(number) for number in range(101)], "FP64")
    assert found["edges"] == [float(number) for number in range(0, 101, 10)]
    assert found["counts"] == [10] * 9 + [11]
    assert (found["min"], found["max"], found["mean"]) == (0.0, 100.0, 50.0)


@given(st.lists(st.one_of(st.none(), st.floats(), st.integers(-1000, 1000)), max_size=200))
def test_every_finite_number_is_in_one_bin_and_what_is_missing_is_counted(values: list[Any]) -> None:
    found = profile_column(values, "FP64")
    finite = [value for value in values if value is not None and math.isfinite(value)]
    missing = [value for value in values if value is None or value != value]  # noqa: PLR0124  # NaN
    assert sum(found["counts"]) == len(finite)
    assert (found["count"], found["missing"]) == (len(values), len(missing))
    assert found["edges"] == sorted(set(found["edges"]))
    assert len(found["counts"]) == max(0, max(1, len(found["edges"]) - 1) if finite else 0)


def test_the_sketch_keeps_the_distribution_with_its_jumps() -> None:
    few = profile_column([3, 1, 2, 2], "INT64")
    assert few["sketch"] == [1.0, 2.0, 2.0, 3.0]
    many = profile_column([0.0] * 7_000 + [float(number) for number in range(3_000)], "FP64")["sketch"]
    assert len(many) == SKETCH
    assert many == sorted(many)
    assert sum(value == 0.0 for value in many) == pytest.approx(0.7 * SKETCH, abs=1)
    assert many[-1] == pytest.approx(2_999, abs=20)


def test_a_very_long_category_goes_by_how_it_begins() -> None:
    assert list(profile_column(["x" * 10_000], "BYTES")["counts"]) == ["x" * 200]


def test_categories_are_counted_and_the_rare_ones_are_together() -> None:
    values = ["usa"] * 5 + ["japan"] * 3 + [None] + [f"rare-{number}" for number in range(200)]
    found = profile_column(values, "BYTES")
    assert (found["counts"]["usa"], found["counts"]["japan"], found["missing"]) == (5, 3, 1)
    assert len(found["counts"]) == MAX_CATEGORIES
    assert sum(found["counts"].values()) + found["other"] == len(values) - 1
    assert profile_column([True, False, True], "BOOL")["counts"] == {"True": 2, "False": 1}


def test_a_table_has_a_profile_per_column_and_an_empty_column_has_none_of_it() -> None:
    found = profile_table({"a": [1, 2], "b": [None, None]}, {"a": "INT64", "b": "FP64"})
    assert found["a"]["kind"] == found["b"]["kind"] == "numeric"
    assert (found["b"]["edges"], found["b"]["counts"], found["b"]["min"]) == ([], [], None)


@pytest.mark.parametrize(
    ("expected", "found", "rows"),
    [
        ([1.0, 2.0], [1.0, 2.0 + 1e-9], []),
        ([1.0, 2.0], [1.0, 2.1], [1]),
        ([1.0], [1.0, 2.0], [1]),
        ([1.0, 2.0], [1.0], [1]),
        (["a", "b"], ["a", "c"], [1]),
        ([float("nan")], [float("nan")], []),
        ([float("nan")], [1.0], [0]),
        ([[1.0, 2.0]], [[1.0, 2.0]], []),
        ([[1.0, 2.0]], [[1.0]], [0]),
        ([True], [1], []),
        ([1], ["1"], [0]),
    ],
)
def test_answers_are_compared_by_value_within_the_tolerance(
    expected: list[Any], found: list[Any], rows: list[int]
) -> None:
    assert [difference["row"] for difference in differing_rows(expected, found, 1e-6)] == rows
