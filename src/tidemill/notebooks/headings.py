"""The headings of a notebook's markdown, and the step names that they give."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MAX_NAME = 40
_HEADING = re.compile(r" {0,3}(?P<marks>#{1,6})[ \t]+(?P<text>.+?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading: its level from 1 and its text."""

    level: int
    text: str


def headings_of(document: dict[str, Any]) -> dict[int, list[Heading]]:
    """The headings between each code cell (by number) and the one above it."""
    found: dict[int, list[Heading]] = {}
    waiting: list[Heading] = []
    number = 0
    for cell in document["cells"]:
        source = cell.get("source", "")
        text = "".join(source) if isinstance(source, list) else str(source)
        if cell["cell_type"] == "markdown":
            waiting += _headings(text)
        elif cell["cell_type"] == "code":
            number += 1
            found[number], waiting = waiting, []
    return found


def _headings(text: str) -> list[Heading]:
    found: list[Heading] = []
    fenced = False
    for line in text.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        heading = None if fenced else _HEADING.match(line)
        if heading is not None:
            found.append(Heading(level=len(heading["marks"]), text=heading["text"]))
    return found


def step_level(headings: Iterable[list[Heading]]) -> int:
    """Headings down to this level begin a step: the highest one that stands over two places or more.

    A title alone cuts nothing, nor do the small headings inside a section. 6, all of them, when no level repeats.
    """
    counts = Counter(heading.level for group in headings for heading in group)
    return min((level for level, count in counts.items() if count > 1), default=6)


def step_word(text: str) -> str:
    """A step's name from a heading, `2. Train & tune` → `train_tune`; empty when no letter of it is Latin."""
    plain = unicodedata.normalize("NFKD", re.sub(r"\[([^\]]*)\]\([^)]*\)|<[^>]*>", r"\1", text))
    words = re.findall(r"[a-z0-9]+", plain.encode("ascii", "ignore").decode().lower().replace("'", ""))
    while words and words[0].isdigit():
        words.pop(0)
    name = ""
    for word in words:
        if name and len(name) + 1 + len(word) > MAX_NAME:
            break
        name = f"{name}_{word}" if name else word[:MAX_NAME]
    return f"step_{name}" if name[:1].isdigit() else name
