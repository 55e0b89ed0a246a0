"""Keys that stand twice in a JSON object: orjson keeps the last one without a word, here they are refused."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Tuple

from tidemill_runtime.predict.refusal import bad_request

MAX_SHOWN = 100


def known_keys(document: Dict[str, Any]) -> int:
    """Keys of a parsed request where requests have them: at least these, at most all, and quickly counted."""
    count = len(document)
    for value in document.values():
        if type(value) is list and value and type(value[0]) is dict and set(map(type, value)) == {dict}:
            count += sum(map(len, value))
        elif type(value) is dict:
            count += len(value)
    return count


def demand_unique_keys(body: bytes) -> None:
    """Refuse with 400 when an object in a body that orjson could read has a key twice; exact, but reads it again."""
    try:
        json.loads(body.decode(), object_pairs_hook=_unique)
    except RecursionError:
        raise bad_request("the body is nested too deeply") from None


def _unique(pairs: List[Tuple[str, Any]]) -> None:
    if len(dict(pairs)) == len(pairs):
        return
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise bad_request(f"the key {key[:MAX_SHOWN]!r} stands twice")
        seen.add(key)
