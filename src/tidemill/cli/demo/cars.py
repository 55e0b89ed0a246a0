"""The cars of the later years: what people ask about, and what is measured afterwards."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

TRUTH = "Miles_per_Gallon"
DATA, LATER = "cars.csv", "cars-later.csv"
PART_KNOWN_FIRST = 2 / 3
SEED = 1977


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """A car as a service is asked about it, what was measured, and its row of the file."""

    weight: float
    year: int
    miles: float
    row: dict[str, str]

    @property
    def asked(self) -> dict[str, float]:
        """The columns of the model."""
        return {"Weight_in_lbs": self.weight, "Year": self.year}

    def of_year(self, year: int) -> Car:
        """The same car, as if it were of another model year."""
        return replace(self, year=year)


def later_cars(folder: Path) -> tuple[list[Car], list[Car]]:
    """The measured cars of the later years in the order in which people ask: those that come first, and the others."""
    with (folder / LATER).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row[TRUTH]]
    random.Random(SEED).shuffle(rows)
    cars = [
        Car(weight=float(row["Weight_in_lbs"]), year=int(row["Year"][:4]), miles=float(row[TRUTH]), row=row)
        for row in rows
    ]
    first = round(len(cars) * PART_KNOWN_FIRST)
    return cars[:first], cars[first:]


def questions_about(cars: Sequence[Car], count: int) -> list[Car]:
    """What people ask: each question is about a car that falls at random, as other people asked before or not."""
    return random.Random(SEED).choices(cars, k=count)


def append_to_data(folder: Path, cars: Sequence[Car]) -> None:
    """Write cars at the end of the data file, as the owner of the data does."""
    with (folder / DATA).open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(cars[0].row), lineterminator="\n")
        writer.writerows(car.row for car in cars)
