"""Notebooks as lists of cells, from `corpus.txt`: `=== name`, then cells with `---` between them.

Each prints what it ends with; none needs a library outside the standard one. A cell that begins with `#functions` runs
before every step.
"""

from __future__ import annotations

from pathlib import Path


def read_corpus() -> dict[str, list[str]]:
    """Name -> cells."""
    text = "\n" + Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for part in text.split("\n=== ")[1:]:
        name, _, body = part.partition("\n")
        found[name] = body.rstrip("\n").split("\n---\n")
    return found


CORPUS = read_corpus()
