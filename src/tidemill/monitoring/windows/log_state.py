"""What the log of a service looks like from outside: whether anything in it is new, and in which hours."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from tidemill.base.home import Home
from tidemill.monitoring.spool import all_spools, predictions_folder, spool_folder

NEWEST_HOURS = 3
HOUR_CHARACTERS = 11


def look(home: Home, namespace: str, service: str) -> str:
    """A text that changes when the log may have; quick also where there are years of it, "" for no log at all.

    Parquet files are added to the newest hours only, or with a new hour.
    """
    folder = predictions_folder(home) / namespace / service
    hours = sorted(_entries(folder), reverse=True)[:NEWEST_HOURS]
    facts = [f"{name} {_modified(folder / name)}" for name in hours]
    facts += [f"{path.stem} {size}" for path, size, _ in _spools(home)]
    return _digest([*facts, str(_modified(folder))]) if facts else ""


def hours_of(home: Home, namespace: str, service: str) -> dict[str, str]:
    """By hour, a text that changes when the log of the hour does; spool files count for the hour of their name."""
    facts: dict[str, list[str]] = defaultdict(list)
    folder = predictions_folder(home) / namespace / service
    for hour in _entries(folder):
        facts[hour] += [f"{name} {_size(folder / hour / name)}" for name in _entries(folder / hour)]
    for path, size, _ in _spools(home):
        facts[path.name[:HOUR_CHARACTERS]].append(f"{path.stem} {size}")
    return {hour: _digest(sorted(each)) for hour, each in sorted(facts.items())}


def newest_record_at(home: Home) -> float:
    """When a spool file was last written, in seconds since 1970; 0 when there is none."""
    return max((modified for _, _, modified in _spools(home)), default=0.0)


def hour_at(name: str) -> datetime | None:
    """The start of an hour by its name, None for a name that is none."""
    try:
        return datetime.strptime(f"{name}+0000", "%Y%m%dT%H%z")
    except ValueError:
        return None


def _spools(home: Home) -> list[tuple[Path, int, float]]:
    found = []
    for path in all_spools(spool_folder(home)):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # compacted meanwhile
        found.append((path, status.st_size, status.st_mtime))
    return found


def _entries(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _digest(facts: list[str]) -> str:
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:40]
