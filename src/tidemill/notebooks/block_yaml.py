"""A small YAML writer whose bytes depend on the value alone, not on a library's version."""

from __future__ import annotations

import json
import re
from typing import Any

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_RESERVED = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def block_yaml(value: Any) -> str:
    """JSON-like data as YAML 1.1 block text with sorted keys; texts are double-quoted as in JSON."""
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> list[str]:
    if isinstance(value, dict) and value:
        return [line for key in sorted(value) for line in _entry(f"{indent}{_key(key)}:", value[key], indent + "  ")]
    if isinstance(value, list | tuple) and value:
        return [line for item in value for line in _item(item, indent)]
    return [indent + _scalar(value)]


def _entry(head: str, value: Any, deeper: str) -> list[str]:
    if isinstance(value, dict | list | tuple) and value:
        # a list is not indented below its key, as kfp writes it
        return [head, *_lines(value, deeper[:-2] if isinstance(value, list | tuple) else deeper)]
    return [f"{head} {_scalar(value)}"]


def _item(item: Any, indent: str) -> list[str]:
    if isinstance(item, dict | list | tuple) and item:
        inner = _lines(item, indent + "  ")
        return [f"{indent}- {inner[0].lstrip(' ')}", *inner[1:]]
    return [f"{indent}- {_scalar(item)}"]


def _key(key: str) -> str:
    plain = _PLAIN_KEY.fullmatch(key) and key.lower() not in _RESERVED
    return key if plain else _scalar(key)


def _scalar(value: Any) -> str:
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        return f"{value:.1f}"
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, float):
        # YAML 1.1 takes 1e-05 for a text: it wants a point
        mantissa, e, exponent = text.partition("e")
        return f"{mantissa}{'' if '.' in mantissa else '.0'}{e}{exponent}"
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) if isinstance(value, str) else text
