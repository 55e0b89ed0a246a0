"""When somebody used MLflow last: the time of a file, noted by the server and read by the controller."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tidemill.base.home import Home
from tidemill.tracking.serve import mlflow_folder


def note_use(home: Home) -> None:
    """Somebody uses it now; what cannot be noted, on a full disk, is not."""
    marker = _marker(home)
    with suppress(OSError):
        marker.parent.mkdir(mode=0o700, exist_ok=True)
        marker.touch()
        os.utime(marker)


def last_use(home: Home) -> datetime | None:
    """When somebody used it last, None for never."""
    try:
        return datetime.fromtimestamp(_marker(home).stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def _marker(home: Home) -> Path:
    return mlflow_folder(home) / "used"
