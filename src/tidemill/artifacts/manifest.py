"""The manifest of a folder: canonical JSON that names each file by its digest."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from tidemill.artifacts.errors import CorruptArtifact
from tidemill.base.canonical import canonical_json, parse_json
from tidemill.base.errors import InvalidInput

SCHEMA_VERSION = 1
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class EntryKind(StrEnum):
    """What stands at a path of a tree."""

    FILE = "file"  # `digest`, `size_bytes`, `executable` say more
    FOLDER = "folder"  # every folder has an entry, so empty ones are kept
    LINK = "link"  # a symbolic link to `target`, relative and inside the tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path of a tree; the path is relative, with `/`, without `..`."""

    path: str
    kind: EntryKind
    digest: str = ""
    size_bytes: int = 0
    executable: bool = False
    target: str = ""


def check_digest(digest: str) -> str:
    """The hex digits of a digest; `InvalidInput` when it is none, so that it may become a file name."""
    if not _DIGEST.fullmatch(digest):
        raise InvalidInput(f"{digest[:80]!r} is not a digest", remedy="give sha256: and 64 hex digits")
    return digest[7:]


def scan(root: Path) -> Iterator[Entry]:
    """The entries of a folder on disk, files still without digest; `InvalidInput` for what a tree cannot hold."""
    for folder, folders, files in os.walk(root, onerror=_raise):
        folders.sort()
        base = Path(folder)
        for name in sorted(folders + files):
            path = base / name
            yield _entry(root, path)


def _raise(problem: OSError) -> None:
    # os.walk would leave out a folder that it may not read
    raise problem


def _entry(root: Path, path: Path) -> Entry:
    relative = path.relative_to(root).as_posix()
    try:
        relative.encode()
    except UnicodeEncodeError as problem:
        raise InvalidInput("the name of an output file is not UTF-8", place=repr(str(path))) from problem
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return Entry(path=relative, kind=EntryKind.LINK, target=_inner_target(root, path))
    if stat.S_ISDIR(status.st_mode):
        return Entry(path=relative, kind=EntryKind.FOLDER)
    if stat.S_ISREG(status.st_mode):
        return Entry(
            path=relative,
            kind=EntryKind.FILE,
            size_bytes=status.st_size,
            executable=bool(status.st_mode & stat.S_IXUSR),
        )
    raise InvalidInput(
        "an artifact holds files, folders and inner links only",
        place=str(path),
        remedy="remove the socket, pipe or device",
    )


def _inner_target(root: Path, path: Path) -> str:
    target = os.readlink(path)
    lexical = os.path.normpath(path.parent.relative_to(root) / target)
    if os.path.isabs(target) or lexical == ".." or lexical.startswith("../"):
        raise InvalidInput(
            f"a link in an artifact points outside it, to {target!r}", place=str(path), remedy="copy the file instead"
        )
    return target


def encode(entries: tuple[Entry, ...]) -> bytes:
    """The manifest as stored: canonical JSON, entries sorted by path."""
    rows: list[dict[str, Any]] = []
    for entry in sorted(entries, key=lambda one: one.path):
        row: dict[str, Any] = {"path": entry.path, "kind": entry.kind.value}
        if entry.kind is EntryKind.FILE:
            row |= {"digest": entry.digest, "size_bytes": entry.size_bytes, "executable": entry.executable}
        elif entry.kind is EntryKind.LINK:
            row["target"] = entry.target
        rows.append(row)
    return canonical_json({"schema_version": SCHEMA_VERSION, "entries": rows})


def decode(data: bytes, digest: str) -> tuple[Entry, ...]:
    """The entries of a stored manifest; `CorruptArtifact` when it is none, or names a path outside the tree."""
    try:
        value = parse_json(data, place=digest)
        if not isinstance(value, dict) or value["schema_version"] != SCHEMA_VERSION:
            raise ValueError("not a manifest of this version")
        return tuple(_decoded(row) for row in value["entries"])
    except (InvalidInput, KeyError, TypeError, ValueError) as problem:
        raise CorruptArtifact("the manifest of a folder cannot be read", place=digest) from problem


def _decoded(row: dict[str, Any]) -> Entry:
    path = PurePosixPath(row["path"])
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError("a path outside the tree")
    kind = EntryKind(row["kind"])
    if kind is EntryKind.FILE:
        check_digest(row["digest"])
    return Entry(
        path=row["path"],
        kind=kind,
        digest=row.get("digest", ""),
        size_bytes=int(row.get("size_bytes", 0)),
        executable=bool(row.get("executable", False)),
        target=row.get("target", ""),
    )
