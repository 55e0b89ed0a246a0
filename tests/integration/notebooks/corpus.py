"""Notebooks as lists of cells, from text files: `=== name`, then cells with `---` between them.

Each prints what it ends with; none of `corpus.txt` needs a library. A cell that begins with `#functions` runs
before every step.
"""

from __future__ import annotations

from pathlib import Path


def read_corpus(file_name: str) -> dict[str, list[str]]:
    """Name -> cells."""
    text = "\n" + (Path(__file__).parent / file_name).read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for part in text.split("\n=== ")[1:]:
        name, _, body = part.partition("\n")
        found[name] = body.rstrip("\n").split("\n---\n")
    return found


CORPUS = read_corpus("corpus.txt")
LIBRARIES = read_corpus("corpus_libraries.txt")
"""The same with numpy, pandas, scikit-learn and polars."""
REFUSED = read_corpus("corpus_refused.txt")
"""Those that steps cannot run as a kernel does; each name goes on with the place that the failure must name."""
