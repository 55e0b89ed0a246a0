"""What a home has told of a file before, so that advice is not repeated at each run."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from tidemill.base.home import Home

FILE_NAME = "told.json"
MAX_FILES = 200


def is_news(home: Home, file: Path, advice: Sequence[str]) -> bool:
    """True when other advice is given of the file than the last time; it is remembered from then on.

    A record that cannot be read or written only means that advice is given again.
    """
    record = home.telemetry / FILE_NAME
    told = _read(record)
    key = str(file.absolute())
    if told.get(key, []) == sorted(advice):
        return False
    told.pop(key, None)
    told[key] = sorted(advice)
    _write(record, dict(list(told.items())[-MAX_FILES:]))
    return bool(advice)


def _read(record: Path) -> dict[str, list[str]]:
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _write(record: Path, told: dict[str, list[str]]) -> None:
    temporary = record.with_suffix(f".{os.getpid()}.new")
    try:
        temporary.write_text(json.dumps(told), encoding="utf-8")
        temporary.replace(record)
    except OSError:
        temporary.unlink(missing_ok=True)
