"""The measure of a split: with a heading over every cell, the steps print what one kernel prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.notebooks.corpus import CORPUS
from tests.integration.notebooks.stepwise import StepwiseRun, one_kernel

from tidemill.notebooks import split_notebook


@pytest.mark.parametrize("name", CORPUS)
def test_a_split_notebook_prints_what_one_kernel_prints(name: str, tmp_path: Path) -> None:
    expected = one_kernel(CORPUS[name], tmp_path)
    cells: list[dict[str, Any]] = []
    for number, source in enumerate(CORPUS[name]):
        cells.append({"cell_type": "markdown", "metadata": {}, "source": f"## Part {number}"})
        cells.append({"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source})
    metadata: dict[str, Any] = {"tidemill": {"requirements": []}}
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))

    made = split_notebook(path)
    run = StepwiseRun(made.compiled, tmp_path)
    assert run.succeeded, run.printed
    assert sorted(run.printed.splitlines()) == sorted(expected.splitlines())
