"""Small models for tests; predictors import them by this module's name."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy


class Linear:
    """Each row's sum times `factor`."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def predict(self, rows: Any) -> Any:
        return numpy.asarray(rows, dtype="float64").sum(axis=1) * self.factor


class Labels:
    """`heavy` or `light` by the first column; refuses negative values as scikit-learn refuses unknown categories."""

    def predict(self, rows: Any) -> Any:
        if any(row[0] < 0 for row in rows):
            raise ValueError("a negative weight was never seen")
        return numpy.array(["heavy" if row[0] > 10 else "light" for row in rows], dtype=object)


class Breaking:
    """Fails in ways that are no client's fault, by the value of the first column; else like Linear."""

    def predict(self, rows: Any) -> Any:
        values = numpy.asarray(rows, dtype="float64")
        if (values[:, 0] == 666).any():
            raise RuntimeError("out of order")
        if (values[:, 0] == 667).any():
            return numpy.zeros(len(values) + 1)
        if (values[:, 0] == 668).any():
            os.kill(os.getpid(), 9)
        return values.sum(axis=1)


class Hanging:
    """Never comes back from a row that begins with 669; else like Linear, and quick."""

    def predict(self, rows: Any) -> Any:
        values = numpy.asarray(rows, dtype="float64")
        if (values[:, 0] == 669).any():
            time.sleep(600)
        return values.sum(axis=1)


class Slow:
    """Takes `seconds` per call, without holding the interpreter."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def predict(self, rows: Any) -> Any:
        time.sleep(self.seconds)
        return numpy.asarray(rows, dtype="float64").sum(axis=1)


class Twofold:
    """Two outputs: `predict`, and `predict_proba` with a value per class."""

    def predict(self, rows: Any) -> Any:
        return numpy.asarray(rows, dtype="float64").sum(axis=1)

    def predict_proba(self, rows: Any) -> Any:
        return numpy.tile([0.25, 0.75], (len(rows), 1))
