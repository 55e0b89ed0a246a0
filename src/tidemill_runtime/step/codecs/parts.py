"""What a value is made of: the objects in it that can change, and whether they have changed."""

from __future__ import annotations

import datetime
import enum
import functools
import hashlib
import logging
import marshal
import os
import sys
import types
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from tidemill_runtime.step.codecs.by_value import pickler_class
from tidemill_runtime.step.codecs.contract import Scene, is_exactly

MAX_BYTES = 64 * 1024 * 1024
_ATOMS = (type(None), bool, int, float, complex, str, bytes, tuple, frozenset)
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})
_CONTAINERS = frozenset({list, dict, set, tuple, frozenset})
_FIXED = (
    type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, property, staticmethod,
    classmethod, enum.Enum, datetime.tzinfo, logging.Logger,
)  # fmt: skip
"""Objects of these types are looked up by name, or made anew with the notebook's code; inside functions are parts."""


_STATEFUL = frozenset({"__main__", "numpy", "pandas", "sklearn", "torch", "xgboost", "lightgbm", "catboost"})
_LENSES = ("GroupBy", "Grouper", "Rolling", "Expanding", "Resampler", "Window")
"""Words in the names of classes of pandas that look at a frame and remember what they have worked out."""

_STANDARD = frozenset(getattr(sys, "stdlib_module_names", ())) | {"builtins", "collections", "io", "_io", "random"}


class Parts:
    """The objects in a value that can change, each once, in an order that follows from the value.

    An array counts as the one that owns its memory, so that views of it have a part in common. `memory` has, by the
    identity of such an array, the frame that keeps its columns in it.
    """

    def __init__(self) -> None:
        self.found: Dict[int, object] = {}
        self.memory: Dict[int, object] = {}

    def __iter__(self) -> Any:
        return iter(self.found.values())

    def __len__(self) -> int:
        return len(self.found)

    def add(self, part: object) -> None:
        """One more; it stays alive as long as this, so that its identity is its own."""
        self.found.setdefault(id(part), part)


def parts_of(value: object, scene: Scene) -> Parts:
    """The parts of a value, as far as it can be pickled; a value that cannot be is its own only part."""
    walk = _Walk(scene)
    try:
        walk.through(value)
    except Exception:  # noqa: BLE001  # a reducer may raise anything
        parts = Parts()
        parts.add(value)
        return parts
    return walk.parts


@dataclass(frozen=True)
class Fingerprint:
    """Digests of the state of a value: of what is known to hold state, and of `everything`.

    Objects of many libraries fill caches when they are only read (graphs, sparse matrices, groups of a frame), so
    a change of these alone is no proof. None for what has too many bytes or cannot be pickled.
    """

    known: Optional[str]
    everything: Optional[str]


def fingerprint(value: object, scene: Scene) -> Fingerprint:
    """The state of a value now."""
    if type(value) in _CONTAINERS:
        plain = _plain_digest(value)
        if plain is not None:
            return Fingerprint(plain, plain)
    known, everything = _picklers()
    return Fingerprint(_digest(value, scene, known), _digest(value, scene, everything))


def _plain_digest(value: Any) -> Optional[str]:
    """A digest of containers with nothing but plain values in them, which is fast; None for all others."""
    try:
        data = marshal.dumps(value, 0)
    except ValueError:
        return None
    return hashlib.sha256(data).hexdigest()


def _digest(value: object, scene: Scene, kind: Any) -> Optional[str]:
    sink = _Sink()
    try:
        pickler = kind(sink, scene)
        pickler.dump(pickler.state_of_shared(value))
    except Exception:  # noqa: BLE001  # as above
        return None
    return sink.digest.hexdigest()


def owner_of(array: Any) -> object:
    """The object that owns an array's memory."""
    while is_exactly(array.base, "numpy", "ndarray"):
        array = array.base
    return array if array.base is None else array.base


def can_change(value: object) -> bool:
    """True for an object that others may see change: containers, objects that are equal to themselves only, cells."""
    if isinstance(value, (*_ATOMS, *_FIXED)):
        return False
    kind = type(value)
    return isinstance(value, types.CellType) or kind.__hash__ is None or kind.__hash__ is object.__hash__


class _Nothing:
    def write(self, data: Any) -> None:
        """Pickling is only to see what is there."""


class _Sink:
    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self._bytes = 0

    def write(self, data: Any) -> None:
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise ValueError("too large to compare")
        self.digest.update(data)


class _Walk:
    """Goes through containers itself, which is fast, and through all other objects by pickling them into nothing."""

    def __init__(self, scene: Scene) -> None:
        self.parts = Parts()
        self._scene = scene
        self._seen: Dict[int, object] = {}
        self._inside: List[object] = []
        self._root: object = None
        self._pickler: Any = None

    def through(self, value: object) -> None:
        """Add the parts of a value."""
        waiting = [value]
        while waiting:
            item = waiting.pop()
            kind = type(item)
            if kind in _PLAIN or self._is_known(item):
                continue
            if kind in _CONTAINERS:
                if kind is not tuple and kind is not frozenset:
                    self.parts.add(item)
                waiting += _inner(item)
            else:
                self._inside, self._root = [], item
                self._pickler = self._pickler or _walker_class()(self, self._scene)
                self._pickler.dump(item)
                waiting += reversed(self._inside)

    def _is_known(self, item: object) -> bool:
        known = id(item) in self._seen
        self._seen[id(item)] = item  # alive, so that its identity stays its own
        return known

    def handle(self, item: Any) -> Optional[str]:
        """What a pickler does with an object in another: None when it is to look into it, too."""
        kind = type(item)
        if kind in _PLAIN:
            return None
        if kind in _CONTAINERS:
            self._inside.append(item)
            return "later"
        if item is not self._root and self._is_known(item):
            return "seen"
        if is_exactly(item, "numpy", "ndarray") and not item.dtype.hasobject:
            self.parts.add(owner_of(item))
        elif is_exactly(item, "pandas", "DataFrame", "Series"):
            self.parts.add(item)
            self.parts.memory.update(dict.fromkeys(map(id, _columns(item)), item))
        elif _is_opaque(item):
            self.parts.add(item)
        elif not isinstance(item, (type, types.ModuleType)):
            if can_change(item):
                self.parts.add(item)
            return None
        return "as a whole"


def _inner(container: Any) -> List[object]:
    """What is in a container that may have parts, the last one first."""
    items = [*container, *container.values()] if type(container) is dict else container
    return [item for item in items if type(item) not in _PLAIN][::-1]


@functools.lru_cache(maxsize=1)
def _walker_class() -> Any:
    base: Any = pickler_class()

    class Walker(base):  # type: ignore[misc]  # the base is chosen at run time
        def __init__(self, walk: _Walk, scene: Scene) -> None:
            super().__init__(_Nothing(), scene)
            self._walk = walk

        def persistent_id(self, obj: Any) -> Optional[str]:
            return self._walk.handle(obj)

    return Walker


@functools.lru_cache(maxsize=1)
def _picklers() -> Tuple[Any, Any]:
    """For the two digests of a fingerprint."""
    base: Any = pickler_class()

    class Everything(base):  # type: ignore[misc]  # as above
        def persistent_id(self, obj: Any) -> Optional[str]:
            return f"a {type(obj).__qualname__}" if _is_lens(obj) else None

    class Known(base):  # type: ignore[misc]  # as above
        def persistent_id(self, obj: Any) -> Optional[str]:
            return f"a {type(obj).__qualname__}" if _is_lens(obj) or _is_foreign(obj) else None

    return Known, Everything


def _is_lens(value: object) -> bool:
    kind = type(value)
    return kind.__module__.startswith("pandas.") and any(word in kind.__name__ for word in _LENSES)


def _is_foreign(value: object) -> bool:
    """True for an object of a library of which it is not known that its attributes are its state."""
    kind = type(value)
    top = kind.__module__.partition(".")[0]
    if top in _STATEFUL or top in _STANDARD or isinstance(value, (type, types.ModuleType)):
        return False
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return any(f"{os.sep}{folder}{os.sep}" in file for folder in ("site-packages", "dist-packages"))


def _columns(frame: Any) -> List[object]:
    """The arrays that a frame keeps its columns in, where it can be asked."""
    blocks = getattr(getattr(frame, "_mgr", None), "blocks", ())
    return [owner_of(block.values) for block in blocks if is_exactly(block.values, "numpy", "ndarray")]


def _is_opaque(value: object) -> bool:
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    return (
        (tensor is not None and isinstance(value, tensor))
        or is_exactly(value, "polars", "DataFrame", "LazyFrame", "Series")
        or is_exactly(value, "xgboost", "Booster", "DMatrix")
        or is_exactly(value, "lightgbm", "Booster", "Dataset")
    )


def is_model(value: object) -> bool:
    """True for what codecs of models take, which have formats of their own."""
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    return (base is not None and isinstance(value, base)) or _is_opaque(value)
