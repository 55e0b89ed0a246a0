"""`tidemill notebook` in processes of its own: a notebook without tags is split, shown and compiled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CELLS = [
    ("markdown", "# A small study"),
    ("code", "import math"),
    ("code", "rounds = 3"),
    ("code", "def area(radius):\n    return math.pi * radius**2"),
    ("markdown", "## Load"),
    ("code", "sizes = [1.0, 2.0]"),
    ("markdown", "## Measure"),
    ("code", "areas = [area(size) for size in sizes] * rounds\nlen(areas)"),
]


class Folder:
    """A folder with one notebook, `own.ipynb`, and the command line there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        cells: list[dict[str, Any]] = []
        for number, (kind, source) in enumerate(CELLS):
            code: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
            cells.append({"cell_type": kind, "id": f"c{number}", "metadata": {}, "source": source, **code})
        self.document = {
            "cells": cells, "metadata": {"tidemill": {"requirements": []}}, "nbformat": 4, "nbformat_minor": 5
        }  # fmt: skip
        self.notebook = path / "own.ipynb"
        self.notebook.write_text(json.dumps(self.document, indent=1) + "\n")

    def __call__(self, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
        done = subprocess.run(
            [sys.executable, "-m", "tidemill", *words],
            cwd=self.path,
            env={**inherited, "TIDEMILL_HOME": str(self.path / "home")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        if words[0] == "notebook" and "--json" not in words:
            assert all(len(line) <= 80 for line in (done.stdout + done.stderr).splitlines())
        return done


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_notebook_without_tags_is_split_shown_and_compiled(folder: Folder) -> None:
    told = folder("compile", "own.ipynb", "-o", "-")
    assert "tidemill notebook split own.ipynb" in " ".join(told.stderr.split())

    said = folder("notebook", "split", "own.ipynb").stdout
    assert "wrote own-steps.ipynb" in said
    assert "pipeline-parameters: cell 2" in said

    shown = json.loads(folder("notebook", "show", "own-steps.ipynb", "--json").stdout)
    assert shown["before_every_step"] == [1, 3]
    assert shown["parameters"] == {"rounds": 3}
    assert [(step["name"], step["cells"], step["takes"], step["parameters"]) for step in shown["steps"]] == [
        ("load", [4], {}, []),
        ("measure", [5], {"sizes": "load"}, ["rounds"]),
    ]
    table = folder("notebook", "show", "own-steps.ipynb").stdout
    assert [line.split() for line in table.splitlines() if line.startswith("measure")] == [
        ["measure", "5", "load:", "sizes", "report"]
    ]

    made = json.loads((folder.path / "own-steps.ipynb").read_text())
    for cell in made["cells"]:
        cell["metadata"].pop("tags", None)
    assert made == folder.document
    assert sorted(each.name for each in folder.path.iterdir() if each.suffix != "") == ["own-steps.ipynb", "own.ipynb"]


def test_in_place_writes_the_notebook_itself_and_a_second_time_is_refused(folder: Folder) -> None:
    folder.notebook.chmod(0o640)
    told = json.loads(folder("notebook", "split", "own.ipynb", "--in-place", "--json").stdout)
    assert told["tags"] == {
        "1": ["imports"], "2": ["pipeline-parameters"], "3": ["functions"], "4": ["step:load"], "5": ["step:measure"]
    }  # fmt: skip
    assert folder.notebook.stat().st_mode & 0o777 == 0o640
    before = folder.notebook.read_bytes()
    refused = folder("notebook", "split", "own.ipynb", "--in-place", expect=2)
    assert "has tags already: imports" in refused.stderr
    assert folder.notebook.read_bytes() == before


def test_no_file_is_written_over(folder: Folder) -> None:
    (folder.path / "own-steps.ipynb").write_text("mine")
    refused = folder("notebook", "split", "own.ipynb", expect=5)
    assert "is there already" in refused.stderr
    assert "another name with -o" in refused.stderr
    assert (folder.path / "own-steps.ipynb").read_text() == "mine"
    assert "two places" in folder("notebook", "split", "own.ipynb", "--in-place", "-o", "x.ipynb", expect=2).stderr
    assert "end in .ipynb" in folder("notebook", "split", "own.ipynb", "-o", "x.py", expect=2).stderr


def test_a_pipeline_is_not_shown_as_a_notebook(folder: Folder) -> None:
    folder("compile", "own.ipynb")
    refused = folder("notebook", "show", "own.yaml", expect=2)
    assert "is a pipeline, not a notebook" in refused.stderr


def test_a_pipeline_is_ejected_as_a_module_that_is_not_written_over(folder: Folder) -> None:
    assert "wrote own_pipeline.py" in folder("notebook", "eject", "own.ipynb").stdout
    module = (folder.path / "own_pipeline.py").read_text()
    assert '@dsl.pipeline(name="own")' in module
    assert "is there already" in folder("notebook", "eject", "own.ipynb", expect=5).stderr
    assert (folder.path / "own_pipeline.py").read_text() == module
