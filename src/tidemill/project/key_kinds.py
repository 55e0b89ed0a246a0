"""What a key of `tidemill.toml` may be: the nouns of the table of keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
OBJECT_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
OUTPUT = r"[^.\s]+\.[^\s]+"
OUTPUTS = r"[^.\s]+\.[^\s]+( \+ [^.\s]+\.[^\s]+)*"


class Kind(StrEnum):
    """What a value is."""

    TEXT = "text"
    TEXTS = "a list of texts"
    TEXT_OR_TEXTS = "a text, or a list of texts"
    WHOLE = "a whole number"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    LIST = "a list"
    ANY = "any value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key; `pattern` is for each text in it, `minimum` for a number, `choices` are the only values."""

    kind: Kind
    doc: str
    required: bool = False
    choices: tuple[str, ...] = ()
    pattern: str = ""
    shape: str = ""
    minimum: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with known keys."""

    doc: str
    keys: Mapping[str, Node]
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A table whose keys are names that the user gives, all alike; `ordered` when their order means something."""

    doc: str
    each: Node
    pattern: str = ""
    shape: str = ""
    required: bool = False
    ordered: bool = False


Node: TypeAlias = Field | Table | Named


def text(doc: str, *, required: bool = False) -> Field:
    """Any text."""
    return Field(kind=Kind.TEXT, doc=doc, required=required)


def output(doc: str, *, required: bool = False) -> Field:
    """An output of a task."""
    return Field(kind=Kind.TEXT, doc=doc, required=required, pattern=OUTPUT, shape="task.output")


def outputs(doc: str) -> Field:
    """Outputs of tasks."""
    return Field(
        kind=Kind.TEXT_OR_TEXTS, doc=doc, pattern=OUTPUTS, shape="task.output, or task.a + task.b side by side"
    )


def name(doc: str, *, required: bool = False) -> Field:
    """The name of an object of the site."""
    shape = "lower-case letters, digits and hyphens, at most 63"
    return Field(kind=Kind.TEXT, doc=doc, required=required, pattern=OBJECT_NAME, shape=shape)
