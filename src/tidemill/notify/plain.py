"""Texts of others as people are shown them: on one line, short, nothing that steers a terminal or a mail reader."""

from __future__ import annotations

import unicodedata
from typing import Any

MOST_CHARACTERS = 300


def plain(value: Any, characters: int = MOST_CHARACTERS) -> str:
    """Control, format and unpaired characters become blanks, blanks one blank; what is long is cut."""
    text = str(value)[: characters * 4]
    kept = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    line = " ".join(kept.split())
    return line if len(line) <= characters else line[: characters - 1] + "…"
