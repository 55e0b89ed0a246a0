"""Bringing requirements into their one canonical form, and joining them."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tidemill.base.errors import InvalidInput
from tidemill.locks.model import Requirements

RUNTIME_DISTRIBUTION = "tidemill-runtime"
_PYTHON = re.compile(r"3\.[0-9]{1,2}")


def combine(requirements: Requirements, extra: Iterable[str]) -> Requirements:
    """The requirements together with further lines, in canonical form: each line once, sorted.

    Our own `tidemill-runtime` is taken out (the home provides it) and replaced by what its extras ask for. Raises
    `InvalidInput` for a line that is no requirement, or that names an address instead of versions.
    """
    if not _PYTHON.fullmatch(requirements.python):
        raise InvalidInput(
            f"{requirements.python!r} is not a Python version",
            place="requirements",
            remedy="name a minor version, such as 3.11",
        )
    lines = sorted({line for given in (*requirements.lines, *extra) for line in _canonical(given)})
    alone = sorted({line for given in requirements.without_dependencies for line in _canonical(given)})
    return replace(requirements, lines=tuple(lines), without_dependencies=tuple(alone))


def _canonical(line: str) -> Iterator[str]:
    text = line.strip()
    if not text or text.startswith("#"):
        return
    try:
        wanted = Requirement(text)
    except InvalidRequirement as problem:
        if "://" in text:
            raise _address(text, "the package") from problem
        raise InvalidInput(
            f"{text!r} is not a requirement: {str(problem).splitlines()[0]}",
            place="requirements",
            remedy="write a name and versions, such as pandas>=2.2; options, files and addresses are not taken here",
        ) from problem
    if wanted.url is not None:
        raise _address(text, wanted.name)
    if canonicalize_name(wanted.name) == RUNTIME_DISTRIBUTION:
        for extra in sorted(wanted.extras):
            yield from _runtime_extra(extra)
        return
    wanted.name = canonicalize_name(wanted.name)
    yield str(wanted)


def _runtime_extra(extra: str) -> Iterator[str]:
    for line in importlib.metadata.requires(RUNTIME_DISTRIBUTION) or ():
        needed = Requirement(line)
        if needed.marker is not None and needed.marker.evaluate({"extra": extra}):
            needed.marker = None
            yield str(needed)


def _address(line: str, name: str) -> InvalidInput:
    return InvalidInput(
        f"{line!r} names an address, so it cannot be locked with hashes",
        place="requirements",
        remedy=f"publish a wheel to your package index and ask for {name} by version",
    )
