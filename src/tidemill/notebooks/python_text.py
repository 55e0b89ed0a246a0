"""Python source of plain values, as a person would write it: texts of several lines stay readable."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

WIDTH = 100
_RAW = re.compile(r"[\t\n\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
"""Characters that may stand in a source file as they are."""


class Name(str):
    """A name in the source, not a text."""

    __slots__ = ()


def text_literal(text: str) -> str:
    """A literal of a text of several lines that shows the lines as they are, where Python can hold them so."""
    if "\\" not in text:
        candidates = [f'"""\\\n{text}"""', f"'''\\\n{text}'''"]
    else:
        candidates = [f'r"""{text}"""', f"r'''{text}'''"]
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if escaped.endswith('"'):
        escaped = escaped[:-1] + '\\"'
    for candidate in [*candidates, f'"""\\\n{escaped}"""']:
        if _RAW.fullmatch(text) and _is(candidate, text):
            return candidate
    return literal(text)


def _is(source: str, text: str) -> bool:
    try:
        return bool(ast.literal_eval(source) == text)
    except (SyntaxError, ValueError):
        return False


def literal(value: Any, indent: int = 0) -> str:
    """A literal of JSON-like values and `Name`s; what is longer than a line goes one item to a line."""
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if not isinstance(value, Mapping | list | tuple):
        return repr(value)
    flat = _flat(value)
    if len(flat) + indent <= WIDTH or not value:
        return flat
    inner = " " * (indent + 4)
    if isinstance(value, Mapping):
        items = [f"{inner}{_quoted(key)}: {literal(item, indent + 4)},\n" for key, item in value.items()]
    else:
        items = [f"{inner}{literal(item, indent + 4)},\n" for item in value]
    start, end = "{}" if isinstance(value, Mapping) else "[]"
    return f"{start}\n{''.join(items)}{' ' * indent}{end}"


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(key)}: {_flat(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flat(item) for item in value) + "]"
    return literal(value)


def _quoted(text: str) -> str:
    """In double quotes, unless it has some itself."""
    shown = repr(text)
    if shown.startswith("'") and '"' not in shown:
        shown = f'"{shown[1:-1]}"'
    return "".join(c if _RAW.fullmatch(c) else c.encode("unicode_escape").decode("ascii") for c in shown)
