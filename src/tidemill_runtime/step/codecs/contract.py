"""What a codec is."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, FrozenSet

from typing import Protocol  # isort: skip


class NotCarried(Exception):
    """A value that no codec can write, or a file that cannot be read; the message says why."""


@dataclass
class Scene:
    """What a codec may need to know of the notebook: its module, names that every step has, globals not to bring
    along.
    """

    main: ModuleType
    shared: FrozenSet[str] = frozenset()
    known: FrozenSet[str] = frozenset()
    label: str = ""
    brought: dict[str, Any] = field(default_factory=dict)


class Codec(Protocol):
    """Writes values of some types to one file.

    `takes` is cheap and imports nothing that the value did not. `write` puts the value into a new file at `path`,
    raising any exception when it cannot. `read` gives an equal value of the same type. `same` says whether the value
    read back is the value written, types and all; the next codec is tried when it is not.
    """

    name: str

    def takes(self, value: object) -> bool: ...

    def write(self, value: Any, path: str, scene: Scene) -> None: ...

    def read(self, path: str, scene: Scene) -> Any: ...

    def same(self, value: Any, loaded: Any) -> bool: ...


def is_exactly(value: object, module: str, *names: str) -> bool:
    """True when the type of a value is one of a library's, and not a subclass of it; imports nothing."""
    kind = type(value)
    return kind.__name__ in names and kind.__module__.partition(".")[0] == module and module in sys.modules
