"""Notebooks written down in tests: cells as (tags, source), compiled, and run step by step in child processes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tidemill.notebooks import CompiledNotebook, compile_notebook

TextCell = tuple[str, str]


def write_notebook(folder: Path, cells: Sequence[TextCell], *, name: str = "n.ipynb", **metadata: Any) -> Path:
    """An .ipynb of these cells; the tags of a cell stand in one text with blanks between."""
    made: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {"tags": tags.split()} if tags else {},
            "outputs": [],
            "source": source,
        }
        for tags, source in cells
    ]
    path = folder / name
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made}))
    return path


def compiled(folder: Path, *cells: TextCell, **options: Any) -> CompiledNotebook:
    """These cells compiled, with no requirements of their own."""
    path = write_notebook(folder, cells)
    return compile_notebook(path, requirements=(), python="3.11", **options)


def inputs(made: CompiledNotebook, task: str) -> dict[str, str]:
    """The variables that a task takes, each with the task that makes it."""
    artifacts = made.spec["root"]["dag"]["tasks"][task].get("inputs", {}).get("artifacts", {})
    taken = sorted((one["taskOutputArtifact"] for one in artifacts.values()), key=lambda one: one["outputArtifactKey"])
    return {one["outputArtifactKey"]: one["producerTask"] for one in taken}


def outputs(made: CompiledNotebook, task: str) -> list[str]:
    """The variables that a task gives."""
    given = made.spec["components"][f"comp-{task}"].get("outputDefinitions", {}).get("artifacts", {})
    return sorted(set(given) - {"report", "metrics", "random_state"})


def parameters(made: CompiledNotebook, task: str) -> list[str]:
    """The pipeline parameters that a task takes."""
    given = made.spec["root"]["dag"]["tasks"][task].get("inputs", {}).get("parameters", {})
    return sorted(binding["componentInputParameter"] for binding in given.values())


def program(made: CompiledNotebook, task: str) -> dict[str, Any]:
    """The program of a task."""
    arguments = made.spec["deploymentSpec"]["executors"][f"exec-{task}"]["container"]["args"]
    parts = [arguments[index + 1] for index, word in enumerate(arguments) if word == "--program"]
    loaded: dict[str, Any] = json.loads("".join(parts))
    return loaded
