"""What a person may expect of a command that is refused: one message with its place and remedy, and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.acceptance.command_line import CommandLine

WIDTH = 80


def refused(line: CommandLine, *words: str, status: int, token: str = "", says: str = "") -> str:
    """What a refused command says, as one line of single spaces; `says` must be in it.

    It leaves with `status`, says one error with a remedy, shows no traceback, and fits the width of a terminal.
    """
    return complaint(line.done(*words, expect=status, token=token), says=says)


def complaint(done: subprocess.CompletedProcess[str], *, says: str = "") -> str:
    """The one error of a finished command, as one line of single spaces."""
    told = done.stderr.splitlines()
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert sum(each.startswith("error: ") for each in told) == 1, done.stderr
    assert any(each.startswith("  → ") for each in told), f"no remedy: {done.stderr}"
    for each in told:
        # a path or an id stays whole for copying, alone on its line
        is_place = each.startswith("error: ") and each.endswith(":")
        assert len(each) <= WIDTH or is_place or len(each.split()) == 1, each
    whole = " ".join(done.stderr.split())
    assert says in whole, done.stderr
    return whole


def write_notebook(path: Path, *cells: tuple[str, str]) -> Path:
    """A notebook of code cells, each with its tags and its source."""
    document: Mapping[str, Any] = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {
                "cell_type": "code",
                "metadata": {"tags": tags.split()},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
            for tags, source in cells
        ],
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def states(line: CommandLine) -> list[str]:
    """The states of all runs of the home, newest first."""
    return [each["state"] for each in line.json("runs", "list")]
