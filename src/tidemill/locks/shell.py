"""Reading the plainest shell: quoted words joined by `&&`; whatever needs a real shell is not recognised."""

from __future__ import annotations

_BLANK = " \t\n"
_SPECIAL = frozenset("$`\\;|<>(){}*?[]~!#&")


def split_commands(text: str) -> list[list[str]] | None:
    """The words of each command of a chain `a 'b' && c "d"`, or None when the text is anything else."""
    commands: list[list[str]] = [[]]
    position, length = 0, len(text)
    while position < length:
        character = text[position]
        if text.startswith("&&", position):
            if not commands[-1]:
                return None
            commands.append([])
            position += 2
        elif character == "\n":
            # a line end ends a command, unless the chain goes on or has not begun
            if commands[-1] and not text[position:].lstrip().startswith("&&") and text[position:].strip():
                return None
            position += 1
        elif character in " \t":
            position += 1
        else:
            word = _word(text, position)
            if word is None:
                return None
            commands[-1].append(word[0])
            position = word[1]
    return commands if commands[-1] else None


def _word(text: str, start: int) -> tuple[str, int] | None:
    """The word that starts there and where it ends, or None when it has more in it than quotes."""
    parts: list[str] = []
    position = start
    while position < len(text) and text[position] not in _BLANK and not text.startswith("&&", position):
        character = text[position]
        if character in "'\"":
            end = text.find(character, position + 1)
            if end < 0:
                return None
            part = text[position + 1 : end]
            if character == '"' and any(mark in part for mark in "$`\\"):
                return None
            parts.append(part)
            position = end + 1
        elif character in _SPECIAL:
            return None
        else:
            parts.append(character)
            position += 1
    return "".join(parts), position
