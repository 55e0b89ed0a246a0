"""Writing tags into the text of an `.ipynb`, so that nothing else of it changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
_METADATA_DEPTH = 3  # a cell's metadata stand in the document, in its cells, in the cell


def with_tags(text: str, added: Mapping[int, tuple[str, ...]]) -> str:
    """The text of a valid notebook with tags added to its code cells, by their number; every other byte stays."""
    edits: list[tuple[int, int, str]] = []
    number = 0
    for cell in _cells(text):
        members = {key: (start, end) for key, start, end in _members(text, cell)}
        start, end = members["cell_type"]
        if json.loads(text[start:end]) != "code":
            continue
        number += 1
        if number in added:
            edits.append(_edit(text, cell, members.get("metadata"), added[number]))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def _edit(text: str, cell: int, metadata: tuple[int, int] | None, tags: tuple[str, ...]) -> tuple[int, int, str]:
    """Start, end and new text of the part that changes."""
    if metadata is None:
        return cell + 1, cell + 1, f'"metadata": {{"tags": {json.dumps(list(tags))}}}, '
    start, end = metadata
    members = list(_members(text, start))
    depth = _depth(text, start)
    for key, value_start, value_end in members:
        if key == "tags":
            there = json.loads(text[value_start:value_end])
            return value_start, value_end, _list([*there, *tags], depth, text)
    written = f'"tags": {_list(list(tags), depth, text)}'
    if members:
        last = members[-1][2]
        return last, last, "," + (_line(text, depth) if depth else " ") + written
    if not depth:
        return start, end, f"{{{written}}}"
    outer = depth - depth // (_METADATA_DEPTH + 1)
    return start, end, "{" + _line(text, depth) + written + _line(text, outer) + "}"


def _depth(text: str, at: int) -> int:
    """How many blanks stand before a key of the metadata; 0 where the document is not written line by line."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    blanks = len(line) - len(line.lstrip(" "))
    if not line.lstrip(" ").startswith('"metadata"') or blanks % _METADATA_DEPTH:
        return 0
    return blanks + blanks // _METADATA_DEPTH


def _line(text: str, blanks: int) -> str:
    return ("\r\n" if "\r\n" in text else "\n") + " " * blanks


def _list(tags: list[str], depth: int, text: str) -> str:
    if not depth:
        return json.dumps(tags, ensure_ascii=False)
    unit = depth // (_METADATA_DEPTH + 1)
    written = [_line(text, depth + unit) + json.dumps(tag, ensure_ascii=False) for tag in tags]
    return "[" + ",".join(written) + _line(text, depth) + "]"


def _cells(text: str) -> list[int]:
    """Where each cell's object begins."""
    document = _skip(text, text.startswith("\ufeff"))
    start = next(start for key, start, _ in _members(text, document) if key == "cells")
    found: list[int] = []
    at = _skip(text, start + 1)
    while text[at] != "]":
        found.append(at)
        at = _after(text, _DECODER.raw_decode(text, at)[1])
    return found


def _members(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """The key, and start and end of the value, of each member of the object that begins at `at`."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, end_of_key = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, end_of_key) + 1)  # the colon
        end = _DECODER.raw_decode(text, start)[1]
        yield key, start, end
        at = _after(text, end)


def _after(text: str, at: int) -> int:
    """The next item of a list or object, or its end."""
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()
