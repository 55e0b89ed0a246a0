"""Names and values of others as they are shown: short, on one line, without what steers a terminal."""

from __future__ import annotations

from typing import Any

MOST_CHARACTERS = 120


def plain_text(value: Any, characters: int = MOST_CHARACTERS) -> str:
    """A text that harms nobody who prints it; what is not printable becomes U+FFFD, what is long is cut."""
    text = "".join(character if character.isprintable() else "�" for character in str(value)[: characters + 1])
    return text if len(text) <= characters else f"{text[: characters - 1]}…"
