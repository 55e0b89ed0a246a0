"""Canonical JSON and sha256: one digest for one value, whatever the order of keys."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, TypeAlias

from tidemill.base.errors import InvalidInput

Json: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None
"""A JSON value; `Any` inside because callers check shapes where they read them."""

MAX_DEPTH = 100
MAX_INTEGER_DIGITS = 4_000


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no white space; NaN and infinities are refused (ValueError)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def without_nan(value: Any) -> Any:
    """A JSON value with what is not finite as its text (`nan`, `inf`, `-inf`), which canonical JSON refuses."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {name: without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_nan(inner) for inner in value]
    return value


def digest_bytes(data: bytes) -> str:
    """`sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_json(value: object) -> str:
    """The digest of a value's canonical JSON."""
    return digest_bytes(canonical_json(value))


def parse_json(data: bytes | str, *, place: str) -> Json:
    """Parse JSON from outside; NaN, duplicate keys and more than `MAX_DEPTH` levels raise `InvalidInput` at `place`."""
    text = _decode(data, place)
    _check_depth(text, place)

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            if key in result:
                raise InvalidInput(f"the key {key!r} stands twice in one object", place=place)
            result[key] = value
        return result

    def no_constant(name: str) -> Any:
        raise InvalidInput(f"{name} is not JSON", place=place, remedy="send null or a finite number")

    def finite(text_number: str) -> float:
        number = float(text_number)
        if not math.isfinite(number):
            raise InvalidInput(f"the number {text_number[:40]} is too large", place=place)
        return number

    def whole(text_number: str) -> int:
        if len(text_number) > MAX_INTEGER_DIGITS:
            raise InvalidInput(f"an integer of {len(text_number)} digits is too long", place=place)
        return int(text_number)

    try:
        parsed: Json = json.loads(
            text,
            object_pairs_hook=no_duplicates,
            parse_constant=no_constant,
            parse_float=finite,
            parse_int=whole,
        )
    except json.JSONDecodeError as problem:
        raise InvalidInput(
            f"not JSON: {problem.msg} at line {problem.lineno}, column {problem.colno}",
            place=place,
            remedy="correct it there",
        ) from problem
    return parsed


def _decode(data: bytes | str, place: str) -> str:
    if isinstance(data, str):
        return data
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise InvalidInput(f"not UTF-8 at byte {problem.start}", place=place) from problem


def _check_depth(text: str, place: str) -> None:
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidInput(f"nested deeper than {MAX_DEPTH} levels", place=place)
        elif character in "]}":
            depth -= 1
