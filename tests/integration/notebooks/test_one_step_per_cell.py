"""The measure of exactness: a notebook cut into one step per cell prints what one kernel prints."""

from __future__ import annotations

import importlib
from itertools import pairwise
from pathlib import Path

import pytest
from tests.integration.notebooks.corpus import CORPUS, LIBRARIES, REFUSED
from tests.integration.notebooks.stepwise import StepwiseRun, one_kernel
from tests.unit.notebooks.notebook_text import compiled


def check(cells: list[str], tmp_path: Path, *, chain: bool) -> None:
    """One step per cell, with or without `prev` tags, prints what one kernel prints."""
    expected = one_kernel(cells, tmp_path)
    shared = [cell.startswith(("#functions", "#imports")) for cell in cells]
    tags = ["functions" if shared[n] else f"step:s{n}" for n in range(len(cells))]
    if chain:
        for before, after in pairwise(n for n in range(len(cells)) if not shared[n]):
            tags[after] += f" prev:s{before}"
    made = compiled(tmp_path, *zip(tags, cells, strict=True))
    run = StepwiseRun(made, tmp_path)
    assert run.succeeded, run.printed
    assert sorted(run.printed.splitlines()) == sorted(expected.splitlines())
    assert expected.strip()


@pytest.mark.parametrize("chain", [True, False], ids=["chain", "no_prev"])
@pytest.mark.parametrize("name", CORPUS)
def test_one_step_per_cell_prints_what_one_kernel_prints(name: str, chain: bool, tmp_path: Path) -> None:
    check(CORPUS[name], tmp_path, chain=chain)


@pytest.mark.parametrize("name", LIBRARIES)
def test_one_step_per_cell_with_libraries_prints_what_one_kernel_prints(name: str, tmp_path: Path) -> None:
    for module in ("numpy", "pandas", "sklearn.ensemble", "sklearn.pipeline", "pyarrow.parquet", "skops.io"):
        importlib.import_module(module)  # here once, instead of in the child of each step
    check(LIBRARIES[name], tmp_path, chain=True)


@pytest.mark.parametrize("name", REFUSED)
def test_what_steps_cannot_do_as_one_kernel_does_fails_and_says_where(name: str, tmp_path: Path) -> None:
    for module in ("pandas", "sklearn.linear_model"):
        importlib.import_module(module)  # as above
    cells = REFUSED[name]
    tags = ["functions" if cell.startswith("#functions") else f"step:s{number}" for number, cell in enumerate(cells)]
    made = compiled(tmp_path, *zip(tags, cells, strict=True))
    run = StepwiseRun(made, tmp_path)
    assert not run.succeeded, run.printed
    failure = run.failure(next(task for task, status in run.status.items() if status))
    line = f", line {failure['line']}" if failure["line"] else ""
    assert f"cell {failure['cell']}{line}" == name.partition(" | ")[2]
    assert "keep these cells in one step" in failure["message"] or "provides:" in failure["message"]
