"""What is ejected from a notebook and compiled by the released `kfp` runs here as the notebook does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.unit.notebooks.notebook_text import compiled

from tidemill.artifacts import Artifact
from tidemill.engine import State, run_output
from tidemill.notebooks import eject
from tidemill.pipelines import load_pipeline

CELLS = [
    ("pipeline-parameters", "n = 2"),
    ("functions", "def double(values):\n    return [2 * value for value in values]"),
    ("step:load", "xs = [n, 3]\nprint('loaded')"),
    ("step:change prev:load", "xs.append(4)\nn = n + 1"),
    ("step:tell prev:change", "total = sum(double(xs)) + n"),
    ("pipeline-metrics", "total"),
]


def test_an_ejected_pipeline_runs_and_the_notebook_finds_its_steps_in_the_cache(works: Any, tmp_path: Path) -> None:
    peer = os.environ.get("TIDEMILL_PEER_KFP")
    if not peer:
        pytest.skip("TIDEMILL_PEER_KFP does not name a virtual environment with kfp")
    made = compiled(tmp_path, *CELLS)
    module, spec = tmp_path / "ejected.py", tmp_path / "ejected.yaml"
    module.write_text(eject(made))
    subprocess.run([f"{peer}/bin/kfp", "dsl", "compile", "--py", module, "--output", spec], check=True)

    ejected = works.run(load_pipeline(spec.read_text(), place="ejected.yaml"), parameters={"n": 5})
    assert ejected.state is State.SUCCEEDED, ejected.failure
    first = works.tasks(ejected)
    assert not any(task.cached for task in first.values())
    metrics = run_output(works.site, works.actor, ejected.id, "tell.metrics")
    assert isinstance(metrics, Artifact)
    assert metrics.metadata == {"total": 30}

    notebook = works.run(load_pipeline(made.yaml, place="n.ipynb"), parameters={"n": 5})
    again = works.tasks(notebook)
    assert all(task.cached for task in again.values())
    # what is served from the cache are the very artifacts
    assert {path: task.output_artifacts for path, task in again.items()} == {
        path: task.output_artifacts for path, task in first.items()
    }
