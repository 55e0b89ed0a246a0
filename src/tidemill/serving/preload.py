"""Which libraries a zygote imports for the predictors of a model package: those that its `model.json` speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LIBRARIES = frozenset({"joblib", "lightgbm", "numpy", "pandas", "scipy", "skops", "sklearn", "xgboost"})
"""Known to survive a fork that comes before their use. What is not named here is imported by the predictor itself."""

_OF_INPUT = {"array": "numpy", "dataframe": "pandas"}
_OF_FORMAT = {"skops": "skops.io", "joblib": "joblib"}


def modules_to_preload(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The modules, sorted; never one of the user's own, whatever the document says."""
    wanted = {
        _OF_INPUT.get(str(document.get("input_kind"))),
        _OF_FORMAT.get(str(document.get("file", {}).get("format"))),
        str(document.get("python_class", "")).rpartition(".")[0],
    }
    return tuple(sorted(name for name in wanted if name and name.partition(".")[0] in LIBRARIES))
