"""Which variable of a notebook is its model, and which holds rows for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tidemill.notebooks import Fitted, find_fitted


def found(folder: Path, *cells: str | tuple[str, str]) -> Fitted | None:
    """What is found in a notebook of cells, each a source, or a tag and a source."""
    tagged = [("", cell) if isinstance(cell, str) else cell for cell in cells]
    document = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{number}",
                "metadata": {"tags": [tag] if tag else []},
                "outputs": [],
                "execution_count": None,
                "source": source,
            }
            for number, (tag, source) in enumerate(tagged)
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (folder / "own.ipynb").write_text(json.dumps(document))
    return find_fitted(folder / "own.ipynb")


def test_a_model_and_the_rows_it_is_asked_about_each_with_its_step(tmp_path: Path) -> None:
    assert found(
        tmp_path,
        ("step:cut_up", "X_train, X_test = a, b"),
        ("step:train", "model = Ridge()\nmodel.fit(X_train, y)"),
        ("step:look", "model.predict(X_test)"),
    ) == Fitted(model="train.model", sample="cut-up.X_test", training="cut-up.X_train")


def test_a_notebook_without_tags_is_one_step(tmp_path: Path) -> None:
    assert found(tmp_path, "X = a", "%matplotlib inline\nm = Ridge().fit(X, y)", "m.score(X, y)") == Fitted(
        model="notebook.m", sample="notebook.X", training="notebook.X"
    )


def test_a_scaler_that_is_fitted_is_no_model(tmp_path: Path) -> None:
    assert found(tmp_path, "s.fit(X)\nX = s.transform(X)\nm.fit(X, y)\nm.predict(X)\nt.fit(X)") == Fitted(
        model="notebook.m", sample="notebook.X", training="notebook.X"
    )


def test_rows_it_learnt_from_where_it_is_asked_about_nothing_with_a_name(tmp_path: Path) -> None:
    assert found(tmp_path, "X = a[['b']]\nm.fit(X, y)\nm.predict(a[['b']].head())") == Fitted(
        model="notebook.m", sample="notebook.X", training="notebook.X"
    )


@pytest.mark.parametrize(
    "source",
    [
        "print('nothing is fitted')",
        "m = Ridge()\nm.fit(a[['b']], y)",
        "m.fit(X, y)\nm.predict(X)",  # X comes from nowhere
        "def train(m, X):\n    m.fit(X)\n    return m.predict(X)",
    ],
)
def test_nothing_where_it_is_not_plain_to_see(tmp_path: Path, source: str) -> None:
    assert found(tmp_path, source) is None
