"""The source of files on this machine: the content of a file, of a folder, or of all that a pattern names."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemill.base.canonical import digest_json
from tidemill.base.errors import InvalidInput, Unavailable
from tidemill.base.home import Home
from tidemill.triggers.sources.contract import Sighting

MOST_FILES = 10_000
_PIECE_BYTES = 1 << 20


class FilesSource:
    """Compares sizes and times at each look, and reads only files that were left alone since the look before."""

    def check(self, settings: Mapping[str, Any], *, place: str) -> dict[str, Any]:
        """See `TriggerSource`: an absolute `path`, which may be a pattern: `/data/arrivals/*.csv`."""
        path = str(settings.get("path", ""))
        if not path.startswith("/") or not path.isprintable() or len(path) > 1000:
            raise InvalidInput(
                f"{path[:80]!r} is no path on the site's machine",
                place=f"{place}.path",
                remedy="apply the project on the machine of the site, write an absolute path, or name a repository",
            )
        return {"path": os.path.normpath(path)}

    def look(self, home: Home, settings: Mapping[str, Any], seen: Mapping[str, Any] | None) -> Sighting:
        """See `TriggerSource`; what is being written is looked at again."""
        found = _stats(home, settings["path"])
        marks = digest_json(found)
        if seen is not None and seen["marks"] == marks and seen["read"] == marks:
            return Sighting(cursor=dict(seen))
        if seen is not None and seen["marks"] != marks:  # somebody is at it
            return Sighting(cursor={**seen, "marks": marks})
        digest = _digest(found)
        cursor = {"marks": marks, "read": marks, "digest": digest}
        if seen is None or seen["digest"] == digest or not found:
            return Sighting(cursor=cursor)
        cause = {"path": settings["path"], "files": len(found), "digest": digest}
        return Sighting(cursor=cursor, key=f"files:{marks}:{digest}", cause=cause)


def _stats(home: Home, pattern: str) -> list[list[Any]]:
    """Path, size and time of each file, sorted; nothing of the home is looked at."""
    own = home.path.resolve()
    found: dict[str, list[Any]] = {}
    for named in glob.iglob(pattern):
        for path in _files(named):
            if Path(path).resolve().is_relative_to(own):
                raise InvalidInput("is the site's own", place=path, remedy="watch files outside of the home")
            try:
                status = os.stat(path)
            except OSError:
                continue  # it went away meanwhile
            if not stat.S_ISREG(status.st_mode):
                continue  # a pipe or a device may never end
            found[path] = [path, status.st_size, status.st_mtime_ns]
            if len(found) > MOST_FILES:
                raise InvalidInput(f"names more than {MOST_FILES} files", place=pattern, remedy="watch fewer")
    return [found[path] for path in sorted(found)]


def _files(named: str) -> list[str]:
    if os.path.isfile(named):
        return [named]
    return [os.path.join(folder, name) for folder, _, names in os.walk(named) for name in names]


def _digest(found: list[list[Any]]) -> str:
    return digest_json([[path, _content(path)] for path, _, _ in found])


def _not_waiting(path: str, flags: int) -> int:
    """A pipe that took the file's place has nobody who writes: nobody waits for one."""
    return os.open(path, flags | os.O_NONBLOCK)


def _content(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb", opener=_not_waiting) as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
    except OSError as problem:
        raise Unavailable(f"cannot be read: {problem.strerror}", place=path) from problem
    return digest.hexdigest()
