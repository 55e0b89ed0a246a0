"""Exact short cuts around a model's own `predict`; each is used only after it gave the same bits on the sample.

What a short cut leaves out is scikit-learn's checking of its input, which a request has behind it already, and
building a DataFrame only to take its names off again.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any, Callable, List, Optional

from tidemill_runtime.model_package import NUMPY_TYPES, LoadedModel
from tidemill_runtime.predict.schema import EXACT_FLOAT

PredictRows = Callable[[Any], Any]
"""Rows (lists or a 2-D array) to a numpy array with an item per row."""


def fastest(model: LoadedModel, sample: List[List[Any]]) -> PredictRows:
    """The quickest way from rows to the first output that is exactly as good as `predict`; often that itself.

    Without sample rows nothing can be compared, and nothing is cut short.
    """
    if not sample:
        return model.predict_rows
    for candidate in (_boosted_trees(model), _without_names(model, "C"), _without_names(model, "F")):
        if candidate is not None and _is_exact(candidate, model.predict_rows, sample):
            return candidate
    return model.predict_rows


def _boosted_trees(model: LoadedModel) -> Optional[PredictRows]:
    """Gradient boosting for regression: the trees are called directly."""
    estimator = model.model
    if type(estimator).__name__ != "GradientBoostingRegressor" or not type(estimator).__module__.startswith("sklearn."):
        return None
    try:
        import numpy
        from sklearn.ensemble._gradient_boosting import predict_stages

        start = float(numpy.ravel(estimator.init_.constant_)[0])
        trees, rate, width = estimator.estimators_, estimator.learning_rate, estimator.n_features_in_
    except (ImportError, AttributeError, TypeError, ValueError, IndexError):
        return None  # another version of scikit-learn, or another starting value: `predict` knows
    slow = model.predict_rows

    def predict(rows: Any) -> Any:
        matrix = numpy.asarray(rows, dtype=numpy.float32, order="C")
        if matrix.shape[1] != width or not numpy.isfinite(matrix).all():
            return slow(rows)  # it refuses them in its own words
        raw = numpy.full((len(matrix), 1), start)
        predict_stages(trees, matrix, rate, raw)
        return raw.ravel()

    return predict


def _without_names(model: LoadedModel, order: Any) -> Optional[PredictRows]:
    """A model made on a DataFrame of numbers that takes its columns by place: an array will do.

    `order` is numpy's: sums over rows and over columns differ in their last bits.
    """
    metadata = model.metadata
    types = set(metadata.column_types)
    if metadata.input_kind != "dataframe" or types & {"BYTES", "BOOL"}:
        return None
    import numpy

    bare, slow = copy.deepcopy(model.model), model.predict_rows
    _forget_names(bare, set())
    if len(types) == 1:
        kind = NUMPY_TYPES[types.pop()]
        return lambda rows: bare.predict(numpy.asarray(rows, dtype=kind, order=order))

    def predict(rows: Any) -> Any:
        matrix = numpy.asarray(rows, dtype="float64", order=order)
        if (numpy.abs(matrix) > EXACT_FLOAT).any():
            return slow(rows)  # an integer that a float does not hold
        return bare.predict(matrix)

    return predict


def _forget_names(part: Any, seen: set) -> None:  # type: ignore[type-arg] # Python 3.9 has no shorter word
    """Take the column names off an estimator and whatever estimators it holds."""
    if id(part) in seen:
        return
    seen.add(id(part))
    if isinstance(part, (list, tuple)):
        for each in part:
            _forget_names(each, seen)
    elif hasattr(part, "__dict__") and hasattr(part, "get_params"):
        part.__dict__.pop("feature_names_in_", None)
        for each in list(part.__dict__.values()):
            _forget_names(each, seen)


def _is_exact(candidate: PredictRows, slow: PredictRows, sample: List[List[Any]]) -> bool:
    """True when it gives the same bits for each sample row alone and for all together, and says nothing new."""
    import numpy

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for rows in (sample, *([row] for row in sample), _stirred(sample)):
                found, wanted = numpy.asarray(candidate(rows)), numpy.asarray(slow(rows))
                if found.dtype != wanted.dtype or not numpy.array_equal(found, wanted):
                    return False
    except Exception:  # noqa: BLE001 -- foreign code: whatever it raises, the short cut is not taken
        return False
    return True


def _stirred(sample: List[List[Any]]) -> List[List[Any]]:
    """Rows that nobody recorded: each column shifted by one row against the one before it."""
    count = len(sample)
    return [[sample[(row + place) % count][place] for place in range(len(sample[0]))] for row in range(count)]
