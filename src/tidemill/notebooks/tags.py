"""Kale's tag language, and ours: what the tags of one cell say."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import Any

from tidemill.base.errors import InvalidInput

_STEP_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d)?")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


class Role(enum.Enum):
    """What a cell is for."""

    STEP = "part of a step"
    IMPORTS = "run before every step"
    FUNCTIONS = "run before every step, after the imports in the notebook's order"
    PARAMETERS = "values that a run may set"
    METRICS = "names numbers to be recorded"
    SKIP = "left out"
    UNTAGGED = "joins the step above"


_ROLES = {
    "imports": Role.IMPORTS,
    "functions": Role.FUNCTIONS,
    "pipeline-parameters": Role.PARAMETERS,
    "parameters": Role.PARAMETERS,
    "pipeline-metrics": Role.METRICS,
    "skip": Role.SKIP,
}


@dataclass(slots=True)
class CellTags:
    """The meaning of a cell's tags; options of several cells of a step are joined."""

    role: Role = Role.UNTAGGED
    step: str | None = None
    previous: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    secrets: list[tuple[str, str, str]] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    provides: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


def read_tags(tags: tuple[str, ...], *, place: str) -> CellTags:
    """Read the tags of one cell; a malformed one of ours raises `InvalidInput` at `place`, foreign ones are listed."""
    found = CellTags()
    for tag in tags:
        key, colon, value = tag.partition(":")
        if tag in _ROLES:
            _set_role(found, _ROLES[tag], place)
        elif not colon or key not in _READERS:
            found.foreign.append(tag)
        else:
            _READERS[key](found, value, place)
    return found


def _set_role(found: CellTags, role: Role, place: str) -> None:
    if found.role not in (Role.UNTAGGED, role):
        raise InvalidInput("its tags give it two roles", place=place, remedy="keep one of them, split the cell")
    found.role = role


def _wrong(tag: str, place: str, remedy: str) -> InvalidInput:
    return InvalidInput(f"the tag {tag!r} cannot be read", place=place, remedy=remedy)


def _step(found: CellTags, value: str, place: str) -> None:
    if value in _ROLES:  # old Kale: block:imports
        _set_role(found, _ROLES[value], place)
        return
    if not _STEP_NAME.fullmatch(value):
        raise _wrong(f"step:{value}", place, "a step's name has letters, digits, - and _, and begins with a letter")
    if found.step not in (None, value):
        raise InvalidInput(f"it is tagged with two steps, {found.step} and {value}", place=place, remedy="keep one")
    _set_role(found, Role.STEP, place)
    found.step = value


def _previous(found: CellTags, value: str, place: str) -> None:
    if not _STEP_NAME.fullmatch(value):
        raise _wrong(f"prev:{value}", place, "write prev: and the name of one step")
    if value not in found.previous:
        found.previous.append(value)


def _switch(name: str) -> Any:
    def read(found: CellTags, value: str, place: str) -> None:
        if value not in ("enabled", "disabled"):
            raise _wrong(f"{name}:{value}", place, f"write {name}:enabled or {name}:disabled")
        found.options[name] = value == "enabled"

    return read


def _image(found: CellTags, value: str, place: str) -> None:
    if not value or " " in value:
        raise _wrong(f"image:{value}", place, "write image: and a container image, such as image:python:3.11")
    found.options["image"] = value


def _limit(found: CellTags, value: str, place: str) -> None:
    resource, colon, amount = value.rpartition(":")
    if not colon or not resource or not re.fullmatch(r"[0-9.]+(m|[KMGTP]i?)?", amount):
        raise _wrong(f"limit:{value}", place, "write limit:cpu:2, limit:memory:4Gi or limit:nvidia.com/gpu:1")
    found.limits[resource] = amount


def _pair(name: str, into: str) -> Any:
    def read(found: CellTags, value: str, place: str) -> None:
        key, colon, text = value.partition(":")
        if not colon or not key:
            raise _wrong(f"{name}:{value}", place, f"write {name}:KEY:VALUE")
        getattr(found, into)[key] = text

    return read


def _secret(found: CellTags, value: str, place: str) -> None:
    parts = value.split(":")
    if len(parts) != 3 or not all(parts):
        raise _wrong(f"secret:{value}", place, "write secret:NAME:KEY:ENVIRONMENT_VARIABLE")
    found.secrets.append((parts[0], parts[1], parts[2]))


def _retry(found: CellTags, value: str, place: str) -> None:
    if not value.isdigit():
        raise _wrong(f"retry:{value}", place, "write retry: and a number of further attempts")
    found.options["retry"] = int(value)


def _timeout(found: CellTags, value: str, place: str) -> None:
    match = _DURATION.fullmatch(value)
    seconds = float(match["number"]) * _UNIT_SECONDS[match["unit"]] if match else 0
    if seconds < 1:
        raise _wrong(f"timeout:{value}", place, "write timeout: and a duration of at least a second, such as 90s or 2h")
    found.options["timeout_seconds"] = int(seconds)


def _names(name: str, into: str) -> Any:
    def read(found: CellTags, value: str, place: str) -> None:
        names = [part.strip() for part in value.split(",")]
        if not all(_IDENTIFIER.fullmatch(part) for part in names):
            raise _wrong(f"{name}:{value}", place, f"write {name}: and variable names with commas between")
        getattr(found, into).extend(names)

    return read


def _notebook(found: CellTags, value: str, place: str) -> None:
    raise InvalidInput(
        f"another notebook as a step (notebook:{value}) does not compile yet",
        place=place,
        remedy="compile it by itself, or copy its cells",
    )


_READERS: dict[str, Any] = {
    "step": _step,
    "block": _step,
    "prev": _previous,
    "image": _image,
    "cache": _switch("cache"),
    "report": _switch("report"),
    "limit": _limit,
    "annotation": _pair("annotation", "annotations"),
    "label": _pair("label", "labels"),
    "secret": _secret,
    "retry": _retry,
    "timeout": _timeout,
    "needs": _names("needs", "needs"),
    "provides": _names("provides", "provides"),
    "notebook": _notebook,
}
