"""The verb lock: requirements are resolved once, and stay as they were resolved."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.base.canonical import canonical_json, digest_json
from tidemill.base.errors import InvalidInput, StorageFull, TidemillError
from tidemill.locks.combine import combine
from tidemill.locks.interpreter import find_interpreter, platform_name
from tidemill.locks.model import Lock, Requirements
from tidemill.locks.uv import run_uv

if TYPE_CHECKING:  # it brings SQLAlchemy, which compiling a notebook must not load
    from tidemill.base.site import Site

_COMPILE = (
    "pip",
    "compile",
    "--quiet",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
)


def lock(site: Site, requirements: Requirements) -> Lock:
    """The lock of the requirements for this platform; the same requirements give the same lock, also offline.

    The first time uv resolves them (0.1 to 20 s), later the home knows it. Raises `InvalidInput` naming the
    requirement that cannot be had, `Unavailable` when no package index answers, `StorageFull`.
    """
    wanted = combine(requirements, ())
    known = _known_file(site, wanted)
    stored = _read(known)
    if stored is None:
        resolved = _resolve(wanted)
        stored = _keep(known, known.with_name(f".{site.ids.new()}"), resolved)
    return Lock(text=stored, python_version=wanted.python, platform=platform_name(), indexes=wanted.indexes)


def _known_file(site: Site, wanted: Requirements) -> Path:
    key = digest_json(
        {
            "schema_version": 1,
            "lines": wanted.lines,
            "without_dependencies": wanted.without_dependencies,
            "python": wanted.python,
            "platform": platform_name(),
            "index_url": wanted.indexes.index_url,
            "extra_index_urls": wanted.indexes.extra_index_urls,
        }
    )
    return site.home.path / "locks" / f"{key.removeprefix('sha256:')}.json"


def _read(known: Path) -> str | None:
    try:
        return str(json.loads(known.read_bytes())["text"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError):
        return None  # half a file after a power loss: resolve again


def _keep(known: Path, temporary: Path, text: str) -> str:
    """Write the lock unless another process was first; whichever stands there is the answer."""
    try:
        known.parent.mkdir(exist_ok=True, mode=0o700)
        with temporary.open("wb") as file:
            file.write(canonical_json({"schema_version": 1, "text": text}))
            file.flush()
            os.fsync(file.fileno())
        if _read(known) is None:
            temporary.replace(known)
    except OSError as problem:
        raise StorageFull(
            f"the lock cannot be kept: {problem.strerror}", place=str(known.parent), remedy="free some space"
        ) from problem
    finally:
        temporary.unlink(missing_ok=True)
    return _read(known) or text


def _resolve(wanted: Requirements) -> str:
    if not wanted.lines and not wanted.without_dependencies:
        return ""
    interpreter = find_interpreter(wanted.python)
    text = _compile(wanted, wanted.lines, interpreter, ()) if wanted.lines else ""
    taken = {entry.split("==")[0] for entry in text.splitlines() if entry[:1].isalnum()}
    alone = [line for line in wanted.without_dependencies if _name(line) not in taken]
    if alone:
        text += _compile(wanted, tuple(alone), interpreter, ("--no-deps",))
    return text


def _compile(wanted: Requirements, lines: tuple[str, ...], interpreter: str, options: tuple[str, ...]) -> str:
    try:
        return run_uv(
            [*_COMPILE, *options, "--python", interpreter, "-"],
            indexes=wanted.indexes,
            stdin="".join(line + "\n" for line in lines),
            place="requirements",
        )
    except InvalidInput as problem:
        raise _named(problem, lines) from problem


def _named(problem: InvalidInput, lines: tuple[str, ...]) -> TidemillError:
    """The same error with the requirement in it that uv complains about."""
    guilty = [line for line in lines if re.search(rf"(?<![\w-]){re.escape(_name(line))}(?![\w-])", problem.message)]
    if not guilty:
        return problem
    return InvalidInput(
        f"cannot be installed: {problem.message}",
        place="requirement " + ", ".join(guilty),
        remedy="correct its name or versions (is it on your package index? see: pip config list)",
    )


def _name(line: str) -> str:
    found = re.match(r"[a-z0-9][a-z0-9-]*", line)
    return "" if found is None else found.group()
