"""Codecs of the standard library: JSON for plain values, modules by name, and names that are not bound."""

from __future__ import annotations

import importlib
import json
import sys
from types import ModuleType
from typing import Any, Set

from tidemill_runtime.step.codecs.contract import Scene

MAX_JSON_ITEMS = 200_000
MAX_JSON_BITS = 13_000
"""Python refuses to read longer integers from text."""


class Unbound:
    """Stands for a name that its step did not bind (a branch not taken, `del`)."""


UNBOUND = Unbound()


class UnboundCodec:
    """An empty file."""

    name = "unbound"

    def takes(self, value: object) -> bool:
        return value is UNBOUND

    def write(self, value: Any, path: str, scene: Scene) -> None:
        with open(path, "wb"):
            pass

    def read(self, path: str, scene: Scene) -> Any:
        return UNBOUND

    def same(self, value: Any, loaded: Any) -> bool:
        return True


class JsonCodec:
    """None, bool, int, float, str and lists and string-keyed dicts of them, exactly: no tuples, no subclasses."""

    name = "json"

    def takes(self, value: object) -> bool:
        return _is_plain(value, set(), [0])

    def write(self, value: Any, path: str, scene: Scene) -> None:
        with open(path, "w", encoding="ascii") as file:
            json.dump(value, file, separators=(",", ":"))

    def read(self, path: str, scene: Scene) -> Any:
        with open(path, encoding="ascii") as file:
            return json.load(file)

    def same(self, value: Any, loaded: Any) -> bool:
        return True  # `takes` lets only such values in


def _is_plain(value: object, seen: Set[int], count: list[int]) -> bool:
    kind = type(value)
    count[0] += 1
    if count[0] > MAX_JSON_ITEMS:
        return False
    if kind in (bool, float, str) or value is None:
        return True
    if isinstance(value, int) and kind is int:
        return value.bit_length() < MAX_JSON_BITS
    if kind not in (list, dict) or id(value) in seen:
        return False  # an object that stands twice would come back as two
    seen.add(id(value))
    if kind is list:
        return all(_is_plain(item, seen, count) for item in value)  # type: ignore[attr-defined]
    items = value.items()  # type: ignore[attr-defined]
    return all(type(key) is str and _is_plain(item, seen, count) for key, item in items)


class ModuleCodec:
    """A module is imported again by its name."""

    name = "module"

    def takes(self, value: object) -> bool:
        return isinstance(value, ModuleType) and sys.modules.get(value.__name__) is value

    def write(self, value: Any, path: str, scene: Scene) -> None:
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"module": value.__name__}, file)

    def read(self, path: str, scene: Scene) -> Any:
        with open(path, encoding="utf-8") as file:
            return importlib.import_module(json.load(file)["module"])

    def same(self, value: Any, loaded: Any) -> bool:
        return value is loaded
