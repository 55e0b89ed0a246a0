"""Which modules a zygote imports for a step: those that its source names, but none that does not survive a fork."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

# Each of them starts threads when imported, opens devices, or was seen to hang in a child.
NEVER = frozenset(
    {
        "cudf",
        "cupy",
        "grpc",
        "jax",
        "mxnet",
        "polars",
        "pyspark",
        "ray",
        "tensorflow",
        "tf_keras",
        "torch",
        "torchvision",
    }
)
KFP = ("kfp.dsl.executor_main", "kfp.dsl.executor", "kfp.dsl.kfp_config", "gettext", "locale", "shutil")
RUNTIME = ("tidemill_runtime.step.main", "gettext", "locale", "shutil")
# Not by ast: notebook cells may hold magics, and a name too many does no harm.
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([A-Za-z_][\w.]*)[ \t]+import\b|import[ \t]+([A-Za-z_][\w., \t]*))", re.M)


def imports_of(source: str) -> tuple[str, ...]:
    """The modules that lines of a source import, sorted, without those that are never imported before a fork."""
    found: set[str] = set()
    for one, several in _IMPORT.findall(source):
        for part in [one] if one else several.split(","):
            name = part.strip().split(" ")[0].rstrip(".")
            if name and name.partition(".")[0] not in NEVER | {"__future__", "kfp"}:
                found.add(name)
    return tuple(sorted(found))


def imports_in(value: Any) -> tuple[str, ...]:
    """The same for all texts inside a JSON value, such as the program of a notebook step."""
    return tuple(sorted({name for text in _texts(value) for name in imports_of(text)}))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
