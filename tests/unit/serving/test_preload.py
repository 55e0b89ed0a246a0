"""What a zygote imports for a package."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.serving.preload import modules_to_preload


@pytest.mark.parametrize(
    ("document", "modules"),
    [
        (
            {"input_kind": "dataframe", "file": {"format": "skops"}, "python_class": "sklearn.pipeline.Pipeline"},
            ("pandas", "sklearn.pipeline", "skops.io"),
        ),
        (
            {"input_kind": "array", "file": {"format": "joblib"}, "python_class": "xgboost.sklearn.XGBRegressor"},
            ("joblib", "numpy", "xgboost.sklearn"),
        ),
        ({"input_kind": "array", "file": {"format": "pickle"}, "python_class": "__main__.Mine"}, ("numpy",)),
        ({"python_class": "my_models.Car"}, ()),
        ({"python_class": "torch.nn.Module"}, ()),
        ({}, ()),
    ],
)
def test_the_libraries_of_a_package_and_never_the_users_own_modules(
    document: dict[str, Any], modules: tuple[str, ...]
) -> None:
    assert modules_to_preload(document) == modules
