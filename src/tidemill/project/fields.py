"""The declared fields of a project file, one by one: their names, how they differ, and one digest over all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from tidemill.base.canonical import digest_json
from tidemill.project.key_kinds import Field, Named, Node
from tidemill.project.keys import FILE

DOCUMENT_SCHEMA_VERSION = 1

Path: TypeAlias = tuple[str, ...]
Fields: TypeAlias = Mapping[Path, Any]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def fields_of(document: Mapping[str, Any]) -> dict[Path, Any]:
    """Each field that checked tables declare, in their order.

    Where the order of names means something, the table itself is a field too: the list of its names.
    """
    return dict(_fields((), document, FILE))


def _fields(path: Path, value: Any, node: Node) -> Iterator[tuple[Path, Any]]:
    if isinstance(node, Field):
        yield path, value
        return
    if isinstance(node, Named) and node.ordered:
        yield path, list(value)
    for key, item in value.items():
        yield from _fields((*path, key), item, node.each if isinstance(node, Named) else node.keys[key])


def name_of(path: Path) -> str:
    """A field as a dotted key of TOML."""
    return ".".join(key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False) for key in path)


def digest_of(document: Mapping[str, Any]) -> str:
    """The digest of what is declared: canonical JSON of the fields by name."""
    fields = {name_of(path): value for path, value in fields_of(document).items()}
    return digest_json({"schema_version": DOCUMENT_SCHEMA_VERSION, "fields": fields})


def differs(one: Any, other: Any) -> bool:
    """True for values that mean something else; no value and an empty text mean the same, 30 and 30.0 too."""
    if one in (None, "") and other in (None, ""):
        return False
    if isinstance(one, list | dict) or isinstance(other, list | dict):
        return json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True)
    return bool(one != other) or isinstance(one, bool) is not isinstance(other, bool)
