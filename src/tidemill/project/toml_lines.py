"""Find the line of every key in a TOML text that is known to be valid."""

from __future__ import annotations

import re
from collections.abc import Iterator

BARE = re.compile(r"[A-Za-z0-9_-]+")
BASIC = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
LITERAL = re.compile(r"'([^'\n]*)'")
SPACE = re.compile(r"[ \t]*")
OPENERS = ('"""', "'''", '"', "'")

Path = tuple[str | int, ...]


def key_lines(text: str) -> dict[Path, int]:
    """The line (from 1) of each table and key by its path; keys of inline tables go by the line of the whole."""
    lines: dict[Path, int] = {}
    table: Path = ()
    counts: dict[Path, int] = {}
    for number, line in _statements(text):
        if line.startswith("["):
            is_array = line.startswith("[[")
            keys = _keys(line, 2 if is_array else 1)[0]
            table = tuple(keys)
            if is_array:
                index = counts[table] = counts.get(table, -1) + 1
                table = (*table, index)
        else:
            keys = _keys(line, 0)[0]
            _note(lines, (*table, *keys), number, start=len(table))
            continue
        _note(lines, table, number, start=0)
    return lines


def _note(lines: dict[Path, int], path: Path, number: int, *, start: int) -> None:
    for length in range(start + 1, len(path) + 1):
        lines.setdefault(path[:length], number)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each table header or key with its value, at the line where it starts; comments and blank lines are left out."""
    position, number = 0, 1
    while position < len(text):
        end = _end_of_statement(text, position)
        statement = text[position:end]
        plain = statement.lstrip()
        if plain and not plain.startswith("#"):
            skipped = statement[: len(statement) - len(plain)].count("\n")
            yield number + skipped, plain
        number += statement.count("\n") + 1
        position = end + 1


def _end_of_statement(text: str, position: int) -> int:
    """Where the line break is that ends a statement: outside of strings, brackets and comments."""
    depth = 0
    while position < len(text):
        character = text[position]
        if character == "\n" and depth <= 0:
            return position
        if character == "#":
            position = _find(text, "\n", position)
            continue
        if character in "\"'":
            position = _end_of_string(text, position)
            continue
        depth += (character in "[{") - (character in "]}")
        position += 1
    return len(text)


def _end_of_string(text: str, position: int) -> int:
    quote = next(opener for opener in OPENERS if text.startswith(opener, position))
    position += len(quote)
    while position < len(text) and not text.startswith(quote, position):
        position += 2 if text[position] == "\\" and quote[0] == '"' else 1
    position += len(quote)
    # A multi-line string may end in up to two quotes of its own.
    while len(quote) == 3 and position < len(text) and text[position] == quote[0]:
        position += 1
    return position


def _find(text: str, what: str, position: int) -> int:
    found = text.find(what, position)
    return len(text) if found < 0 else found


def _keys(line: str, position: int) -> tuple[list[str], int]:
    """The parts of a dotted key."""
    keys: list[str] = []
    while True:
        position = _skip(line, position)
        for pattern in (BARE, BASIC, LITERAL):
            match = pattern.match(line, position)
            if match is not None:
                break
        else:
            return keys, position
        keys.append(_unescaped(match[1]) if pattern is BASIC else match[match.lastindex or 0])
        position = _skip(line, match.end())
        if not line.startswith(".", position):
            return keys, position
        position += 1


def _skip(line: str, position: int) -> int:
    match = SPACE.match(line, position)
    return match.end() if match else position


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    import tomllib

    return str(tomllib.loads(f'x = "{text}"')["x"])
