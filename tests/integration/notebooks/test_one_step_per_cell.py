"""The measure of exactness: a notebook cut into one step per cell prints what one kernel prints."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from tests.integration.notebooks.corpus import CORPUS
from tests.integration.notebooks.stepwise import StepwiseRun, one_kernel
from tests.unit.notebooks.notebook_text import compiled


@pytest.mark.parametrize("tagged", ["chain", "no_prev"])
@pytest.mark.parametrize("name", CORPUS)
def test_one_step_per_cell_prints_what_one_kernel_prints(name: str, tagged: str, tmp_path: Path) -> None:
    cells = CORPUS[name]
    expected = one_kernel(cells, tmp_path)
    shared = [cell.startswith(("#functions", "#imports")) for cell in cells]
    tags = ["functions" if shared[n] else f"step:s{n}" for n in range(len(cells))]
    if tagged == "chain":
        steps = [n for n in range(len(cells)) if not shared[n]]
        for before, after in pairwise(steps):
            tags[after] += f" prev:s{before}"
    made = compiled(tmp_path, *zip(tags, cells, strict=True))
    run = StepwiseRun(made, tmp_path)
    assert run.succeeded, run.printed
    assert sorted(run.printed.splitlines()) == sorted(expected.splitlines())
    assert expected.strip()
