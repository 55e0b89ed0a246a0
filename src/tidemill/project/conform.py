"""Hold a parsed project file against the table of keys."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time
from typing import Any

from tidemill.pipelines.documents import Spot
from tidemill.pipelines.schema import kind_of, nearest
from tidemill.project.key_kinds import Field, Kind, Named, Node, Table
from tidemill.project.keys import FILE


def conform(value: Any, node: Node, spot: Spot) -> Any:
    """The value, checked: known keys, right kinds, required ones there; `InvalidInput` at the first that is not."""
    if isinstance(node, Table):
        return _table(value, node, spot)
    if isinstance(node, Named):
        return _named(value, node, spot)
    return _field(value, node, spot)


def _table(value: Any, table: Table, spot: Spot) -> dict[str, Any]:
    entries = _entries(value, spot)
    for key in entries:
        if key not in table.keys:
            raise spot.at(key).problem("no such key", _remedy(key, table))
    for key, node in table.keys.items():
        if node.required and key not in entries:
            raise spot.problem(f"needs the key {key!r}", _example(key, node))
    return {key: conform(item, table.keys[key], spot.at(key)) for key, item in entries.items()}


def _remedy(key: str, table: Table) -> str | None:
    elsewhere = [name for name, node in FILE.keys.items() if isinstance(node, Table) and key in node.keys]
    close = nearest(key, table.keys)
    if elsewhere and table is not FILE and (close is None or not close.startswith("did you mean")):
        return f"it belongs into [{elsewhere[0]}]"
    return close


def _example(key: str, node: Node) -> str | None:
    if not isinstance(node, Field):
        return f"add a table [{key}]"
    if node.choices:
        return f'for example {key} = "{node.choices[0]}"'
    return node.doc


def _named(value: Any, named: Named, spot: Spot) -> dict[str, Any]:
    entries = _entries(value, spot)
    for key in entries:
        if named.pattern and not re.fullmatch(named.pattern, key):
            raise spot.at(key).problem(f"{key!r} is no name here", f"allowed: {named.shape}")
    return {key: conform(item, named.each, spot.at(key)) for key, item in entries.items()}


def _entries(value: Any, spot: Spot) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise spot.problem(f"should be a table, and is {_kind(value)}")
    return value


def _field(value: Any, field: Field, spot: Spot) -> Any:
    if not _is_kind(value, field.kind):
        what = "not finite" if field.kind is Kind.NUMBER and isinstance(value, float) else _kind(value)
        raise spot.problem(f"should be {field.kind}, and is {what}")
    if field.kind is Kind.ANY:
        return _plain(value, spot)
    if field.kind is Kind.LIST:
        return [_plain(item, spot) for item in value]
    if field.choices and value not in field.choices:
        raise spot.problem(f"{value!r} is not allowed", nearest(str(value), field.choices))
    if field.minimum is not None and value < field.minimum:
        raise spot.problem(f"should be {field.minimum:g} or more, and is {value}")
    for text in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
        if field.required and not text.strip():
            raise spot.problem("is empty")
        if field.pattern and not re.fullmatch(field.pattern, text):
            raise spot.problem(f"{text!r} has not the form of {field.shape}")
    return float(value) if field.kind is Kind.NUMBER and isinstance(value, float) else value


def _is_kind(value: Any, kind: Kind) -> bool:
    if kind is Kind.TEXT:
        return isinstance(value, str)
    if kind in (Kind.TEXTS, Kind.TEXT_OR_TEXTS):
        texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return texts or (kind is Kind.TEXT_OR_TEXTS and isinstance(value, str))
    if kind is Kind.WHOLE:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    if kind is Kind.NUMBER:
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return plain and abs(value) < 2**1000 and math.isfinite(value)
    if kind is Kind.BOOLEAN:
        return isinstance(value, bool)
    return kind is Kind.ANY or isinstance(value, list)


def _plain(value: Any, spot: Spot) -> Any:
    """The value as JSON; TOML's dates, NaN and infinities are none."""
    if isinstance(value, date | datetime | time):
        raise spot.problem("a date is no value here", "put it in quotes")
    if isinstance(value, float) and not math.isfinite(value):
        raise spot.problem(f"{value} is no value here", "write a finite number, or a text")
    if value is None:
        raise spot.problem("null is no value here", "leave the key out")
    if isinstance(value, list):
        return [_plain(item, spot) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item, spot.at(key)) for key, item in value.items()}
    return value


def _kind(value: Any) -> str:
    if isinstance(value, date | datetime | time):
        return "a date"
    return kind_of(value).replace("an object", "a table")
