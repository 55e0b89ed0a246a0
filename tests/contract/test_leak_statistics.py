"""How well a leak is told from a good feature: false alarms on ordinary data, detection of what was put in."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from sklearn import datasets

from tidemill.tables.columns import values_of
from tidemill.tables.leak import LABELS_LIMIT, MIN_ROWS, NUMBERS_LIMIT, Strength, is_labels, strength

CARS = Path(__file__).parents[2] / "examples" / "fuel" / "cars.csv"
Columns = dict[str, list[Any]]
REPEATS = 15


def told(feature: Sequence[Any], target: Sequence[Any], of: int = 1) -> Strength:
    """How much a feature tells of a target."""
    return strength(values_of(feature), values_of(target), of=of)


def leaks(feature: Sequence[Any], target: Sequence[Any], of: int = 1) -> bool:
    """Whether that is a leak under the usual limits."""
    found = told(feature, target, of)
    limit = LABELS_LIMIT if is_labels(values_of(target)) else NUMBERS_LIMIT
    return found.is_copy or (len(target) >= MIN_ROWS and found.least >= limit)


def cars() -> tuple[Columns, list[Any]]:
    """The example's data, texts and numbers as the file has them."""
    with CARS.open() as file:
        rows = [row for row in csv.DictReader(file) if row["Miles_per_Gallon"] and row["Horsepower"]]
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != "Miles_per_Gallon"}
    return columns, [float(row["Miles_per_Gallon"]) for row in rows]


def bundled(name: str) -> tuple[Columns, list[Any]]:
    """A data set that scikit-learn brings along."""
    found = getattr(datasets, f"load_{name}")()
    return {str(place): found.data[:, place].tolist() for place in range(found.data.shape[1])}, found.target.tolist()


@pytest.mark.parametrize("name", ["cars", "iris", "wine", "breast_cancer", "diabetes"])
def test_good_features_of_ordinary_data_raise_no_alarm_whatever_rows_are_drawn(name: str) -> None:
    columns, target = cars() if name == "cars" else bundled(name)
    random = numpy.random.default_rng(0)
    asked = alarms = 0
    for size in (10, 20, 30, 100):
        for _ in range(REPEATS):
            rows = random.choice(len(target), size, replace=False)
            wanted = [target[row] for row in rows]
            for values in columns.values() if len(set(wanted)) > 1 else ():
                asked += 1
                alarms += leaks([values[row] for row in rows], wanted, of=len(columns))
    assert asked > 200
    assert alarms == 0


def test_the_weight_of_a_car_tells_most_of_its_consumption_and_is_no_leak() -> None:
    columns, target = cars()
    by_name = {name: told(values, target).strength for name, values in columns.items()}
    assert max(by_name, key=lambda name: by_name[name]) == "Weight_in_lbs"
    assert 0.8 < by_name["Weight_in_lbs"] < 0.9
    assert by_name["Acceleration"] < 0.5


Made = Callable[[numpy.random.Generator, int], tuple[list[Any], list[Any]]]


def copy_with_noise(share: float) -> Made:
    """A target, and itself with noise of that share of its deviation."""

    def made(random: numpy.random.Generator, rows: int) -> tuple[list[Any], list[Any]]:
        target = random.normal(20, 5, rows)
        return (target + random.normal(0, 5 * share, rows)).tolist(), target.tolist()

    return made


def of_numbers(change: Callable[[Any], Any]) -> Made:
    """A target, and what a function makes of it."""

    def made(random: numpy.random.Generator, rows: int) -> tuple[list[Any], list[Any]]:
        target = random.normal(0, 1, rows).tolist()
        return [change(value) for value in target], target

    return made


def with_gaps(random: numpy.random.Generator, rows: int) -> tuple[list[Any], list[Any]]:
    """A copy that is missing for one row in five."""
    target = random.normal(0, 1, rows).tolist()
    return [None if random.random() < 0.2 else value for value in target], target


def of_a_walk(random: numpy.random.Generator, rows: int) -> tuple[list[Any], list[Any]]:
    """Where a random walk is, and where it was before."""
    walk: list[Any] = numpy.cumsum(random.normal(0, 1, rows)).tolist()
    return walk[:-1], walk[1:]


def of_labels(classes: int, wrong: float = 0, noise: float = 0) -> Made:
    """Names of classes, and their numbers, some of them wrong, with noise."""

    def made(random: numpy.random.Generator, rows: int) -> tuple[list[Any], list[Any]]:
        target = random.integers(0, classes, rows)
        feature = numpy.where(random.random(rows) < wrong, random.integers(0, classes, rows), target).astype(float)
        return (feature + random.normal(0, noise, rows) * (noise > 0)).tolist(), [f"class {each}" for each in target]

    return made


@pytest.mark.parametrize(
    ("made", "rows"),
    [
        (copy_with_noise(0), 20),
        (copy_with_noise(0.01), 20),
        (copy_with_noise(0.02), 50),
        (copy_with_noise(0.02), 1000),
        (of_numbers(math.exp), 20),
        (of_numbers(lambda value: f"{-value:.6f}"), 20),
        (of_numbers(lambda value: 9 / 5 * value + 32), 20),
        (with_gaps, 50),
        (of_labels(2), 50),
        (of_labels(5), 20),
        (of_labels(2, noise=0.1), 200),
        (of_labels(2, wrong=0.01), 1000),
    ],
)
def test_what_says_the_target_is_found_nearly_always(made: Made, rows: int) -> None:
    random = numpy.random.default_rng(1)
    found = sum(leaks(*made(random, rows), of=10) for _ in range(50))
    assert found >= 49


@pytest.mark.parametrize(
    ("made", "rows"),
    [
        (copy_with_noise(0.1), 200),
        (of_labels(2, wrong=0.2), 1000),
        (of_labels(2, noise=0.4), 1000),
        (of_labels(2), 8),
        (lambda random, rows: ([f"id {row}" for row in range(rows)], random.normal(0, 1, rows).tolist()), 200),
        (lambda random, rows: ([f"id {row}" for row in range(rows)], random.integers(0, 2, rows).tolist()), 200),
        (lambda random, rows: ([0.0] * rows, random.normal(0, 1, rows).tolist()), 50),
        (lambda random, rows: ([None] * rows, random.integers(0, 2, rows).tolist()), 50),
        (of_a_walk, 99),
    ],
)
def test_what_says_less_than_that_is_no_leak(made: Made, rows: int) -> None:
    random = numpy.random.default_rng(2)
    assert sum(leaks(*made(random, rows), of=10) for _ in range(50)) == 0


@pytest.mark.parametrize("size", [2, 3, 4, 5, 19])
@pytest.mark.parametrize("kind", ["random", "infinite", "texts", "constant", "missing", "nested", "large"])
def test_it_is_a_number_from_0_to_1_whatever_comes(size: int, kind: str) -> None:
    random = numpy.random.default_rng(3)
    feature: list[Any] = {
        "random": random.normal(0, 1, size).tolist(),
        "infinite": [math.inf, -math.inf] * size,
        "texts": [f"<b>{row}</b>\n" * 1000 for row in range(size)],
        "constant": [1] * size,
        "missing": [None, math.nan] * size,
        "nested": [[1], {"a": 2}] * size,
        "large": [10**400, 1e308] * size,
    }[kind][:size]
    for target in (
        random.normal(0, 1, size).tolist(),
        ["yes", "no"] * size,
        [1e308, -1e308] * size,
        [True, None, 3] * size,
    ):
        if len(set(target[:size])) > 1:
            found = told(feature, target[:size])
            assert 0 <= found.least <= found.strength <= 1
