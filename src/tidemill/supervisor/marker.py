"""`site.json` and the lock beside it: one site serves one home, and commands find it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidemill.base.errors import Conflict
from tidemill.base.home import Home
from tidemill.base.process import start_ticks


@contextmanager
def only_site(home: Home) -> Iterator[None]:
    """Hold the home for this site; `Conflict` when another one has it."""
    with open(home.path / "site.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise Conflict(
                "another site serves this home", place=str(home.path), remedy="tidemill status, or tidemill down"
            ) from problem
        yield


def write_marker(home: Home, *, url: str, socket_path: Path) -> None:
    """Say where the site answers, for the commands of this home."""
    pid = os.getpid()
    told = {
        "schema_version": 1,
        "pid": pid,
        "start_ticks": start_ticks(pid),
        "url": url,
        "socket": str(socket_path),
    }
    temporary = _path(home).with_suffix(".new")
    temporary.write_text(json.dumps(told))
    temporary.replace(_path(home))


def public_url(home: Home) -> str:
    """Where people reach the site; "" while it says nothing."""
    try:
        return str(json.loads(_path(home).read_text())["url"])
    except (OSError, ValueError, KeyError):
        return ""


def remove_marker(home: Home) -> None:
    """Take the marker away."""
    _path(home).unlink(missing_ok=True)


def _path(home: Home) -> Path:
    return home.path / "site.json"
