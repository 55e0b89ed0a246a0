"""Read YAML or JSON from outside into plain JSON values, and remember in which line each field stands."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tidemill.base.canonical import MAX_DEPTH, MAX_INTEGER_DIGITS, parse_json
from tidemill.base.errors import InvalidInput, TooLarge

MAX_BYTES = 32 * 1024 * 1024
MAX_NODES = 2_000_000

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a file: plain JSON, and the line (from 1) of each field and list item of a YAML file."""

    value: Any
    place: str
    lines: dict[Path, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A field of a document; it makes the errors that name it."""

    document: Document
    path: Path = ()

    def at(self, *keys: str | int) -> Spot:
        """The spot below."""
        return Spot(document=self.document, path=self.path + keys)

    @property
    def place(self) -> str:
        """`file:line: field`, with as much of it as is known."""
        known = self.path
        while known and known not in self.document.lines:
            known = known[:-1]
        line = self.document.lines.get(known)
        file = self.document.place if line is None else f"{self.document.place}:{line}"
        return f"{file}: {dotted(self.path)}" if self.path else file

    def problem(self, message: str, remedy: str | None = None) -> InvalidInput:
        """The error, for the caller to raise."""
        return InvalidInput(message, place=self.place, remedy=remedy)


def dotted(path: Path) -> str:
    """A path as people write it: `root.dag.tasks.train.inputs[0]`; a key with other characters is quoted."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        elif key.replace("-", "").replace("_", "").isalnum():
            text += f".{key}" if text else key
        else:
            text += f"[{key!r}]"
    return text


def read_documents(data: bytes | str, *, place: str) -> list[Document]:
    """The documents of a YAML or JSON text.

    Only what JSON can say is taken: aliases, tags, merge keys, keys that are no text, keys given twice, NaN and
    infinities raise `InvalidInput`; more than 32 MiB raises `TooLarge`.
    """
    size_bytes = len(data) if isinstance(data, bytes) else len(data.encode("utf-8", "surrogatepass"))
    if size_bytes > MAX_BYTES:
        raise TooLarge(f"{size_bytes} bytes, more than the {MAX_BYTES} that are read", place=place)
    text = _decode(data, place)
    if text.lstrip().startswith("{"):
        try:
            return [Document(value=parse_json(text, place=place), place=place)]
        except InvalidInput as problem:
            # A YAML flow mapping starts like this too; a text that fails as both is most likely JSON.
            try:
                return _read_yaml(text, place)
            except InvalidInput:
                raise problem from None
    return _read_yaml(text, place)


def _decode(data: bytes | str, place: str) -> str:
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        text.encode("utf-8")
    except UnicodeError as problem:
        raise InvalidInput("not UTF-8 text", place=place, remedy="save the file as UTF-8") from problem
    return text


def _read_yaml(text: str, place: str) -> list[Document]:
    import yaml  # 30 ms

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return list(_Composer(yaml.parse(text, Loader=loader), place).documents())
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f"{place}:{mark.line + 1}" if mark else place
        raise InvalidInput(
            f"not YAML: {problem.problem or problem.context}", place=where, remedy="correct it there"
        ) from problem
    except yaml.YAMLError as problem:
        raise InvalidInput(f"not YAML: {str(problem).splitlines()[0]}", place=place) from problem


class _Composer:
    """Builds plain values from the parser's events, without the object construction of a YAML loader."""

    def __init__(self, events: Iterator[Any], place: str) -> None:
        self._events = events
        self._place = place
        self._lines: dict[Path, int] = {}
        self._nodes = 0

    def documents(self) -> Iterator[Document]:
        for event in self._events:
            if type(event).__name__ != "DocumentStartEvent":
                continue
            self._lines = {}
            value = self._node(next(self._events), ())
            if value is not None:
                yield Document(value=value, place=self._place, lines=self._lines)

    def _node(self, event: Any, path: Path) -> Any:
        kind = type(event).__name__
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._problem(event, f"more than {MAX_NODES} values")
        if kind == "AliasEvent":
            raise self._problem(event, f"the alias *{event.anchor} is not taken", "write the value out in full")
        if len(path) > MAX_DEPTH:
            raise self._problem(event, f"nested deeper than {MAX_DEPTH} levels")
        if event.tag is not None and not (kind == "ScalarEvent" and event.tag == "!"):
            raise self._problem(event, f"the tag {event.tag} is not taken", "write plain values")
        if kind == "ScalarEvent":
            return self._scalar(event)
        if kind == "SequenceStartEvent":
            return self._sequence(path)
        return self._mapping(path)

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while True:
            event = next(self._events)
            if type(event).__name__ == "SequenceEndEvent":
                return items
            here = (*path, len(items))
            self._lines[here] = event.start_mark.line + 1
            items.append(self._node(event, here))

    def _mapping(self, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while True:
            event = next(self._events)
            if type(event).__name__ == "MappingEndEvent":
                return mapping
            key = self._key(event)
            if key in mapping:
                raise self._problem(event, f"the key {key!r} stands twice in one object")
            here = (*path, key)
            self._lines[here] = event.start_mark.line + 1
            mapping[key] = self._node(next(self._events), here)

    def _key(self, event: Any) -> str:
        if type(event).__name__ != "ScalarEvent":
            raise self._problem(event, "a key is no text")
        if event.value == "<<" and event.implicit[0]:
            raise self._problem(event, "the merge key << is not taken", "write the fields out in full")
        return str(event.value)

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if not event.implicit[0]:
            return text
        try:
            return plain_scalar(text)
        except ValueError as problem:
            raise self._problem(event, str(problem)) from problem

    def _problem(self, event: Any, message: str, remedy: str | None = None) -> InvalidInput:
        return InvalidInput(message, place=f"{self._place}:{event.start_mark.line + 1}", remedy=remedy)


def plain_scalar(text: str) -> Any:
    """The value of an unquoted YAML scalar by the rules of PyYAML, which writes kfp's files; dates stay text.

    Raises ValueError for NaN, infinities and numbers too long to read.
    """
    from yaml.resolver import Resolver  # 30 ms with the package

    candidates = Resolver.yaml_implicit_resolvers.get(text[:1], [])
    tag = next((tag for tag, pattern in candidates if pattern.match(text)), "str").rpartition(":")[2]
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() in ("yes", "true", "on")
    if tag == "int":
        return _integer(text)
    if tag == "float":
        return _float(text)
    return text


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise ValueError(f"an integer of {len(text)} digits is too long")
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if ":" in digits:
        return sign * int(_sexagesimal(digits))
    if digits.startswith("0b"):
        return sign * int(digits[2:], 2)
    if digits.startswith("0x"):
        return sign * int(digits[2:], 16)
    if digits.startswith("0") and len(digits) > 1:
        return sign * int(digits, 8)
    return sign * int(digits)


def _float(text: str) -> float:
    plain = text.replace("_", "").lower()
    if plain.endswith((".inf", ".nan")):
        raise ValueError(f"{text} is not JSON")
    sign = -1.0 if plain.startswith("-") else 1.0
    plain = plain.lstrip("+-")
    number = sign * (_sexagesimal(plain) if ":" in plain else float(plain))
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _sexagesimal(text: str) -> float:
    number = 0.0
    for part in text.split(":"):
        number = number * 60 + float(part)
    return number
