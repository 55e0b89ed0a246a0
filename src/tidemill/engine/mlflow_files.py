"""What a step logs with MLflow, into a folder of its own attempt, becomes metrics and an artifact of its task.

The folder is MLflow's file store: `EXPERIMENT/RUN/` with `meta.yaml`, `metrics/NAME` (lines of `milliseconds value
step`), `params/NAME`, `tags/NAME` and `artifacts/`. A step wrote it, so nothing in it is believed to be what it seems.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.engine.changes import MetricPoint

ARTIFACT_NAME = "mlflow"
MAX_BYTES = 8 << 20
"""What is read of the metrics of one attempt; the artifact holds all of them."""

MAX_FILES = 2_000
MAX_VALUE_BYTES = 6_000
_META_BYTES = 20_000
_PIECE_BYTES = 1 << 20
_FIELD = re.compile(r"^(run_name|start_time|lifecycle_stage): (.*)$", re.MULTILINE)


def mlflow_variables(folder: Path) -> dict[str, str]:
    """The environment in which MLflow logs into a folder, without a server; `mlflow-skinny` is enough for that."""
    return {"MLFLOW_TRACKING_URI": folder.as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRun:
    """A run that the step made; `prefix` tells the names of a second and later one from those of the first."""

    folder: Path
    name: str
    started: int
    prefix: str = ""


@dataclass(slots=True, kw_only=True)
class LoggedMetrics:
    """Reads the metrics of a folder on, as it grows."""

    folder: Path
    _offsets: dict[Path, int] = field(default_factory=dict)
    _read_bytes: int = 0

    def read(self) -> list[MetricPoint]:
        """The points written since the last call."""
        points: list[MetricPoint] = []
        for run in logged_runs(self.folder):
            for name, path in _files(run.folder / "metrics"):
                points += self._points(run.prefix + name, path)
        return points

    def _points(self, name: str, path: Path) -> Iterator[MetricPoint]:
        while self._read_bytes < MAX_BYTES:
            offset = self._offsets.get(path, 0)
            data = _bytes_of(path, offset, _PIECE_BYTES)
            data = data[: data.rfind(b"\n") + 1]
            if not data:
                return
            self._offsets[path] = offset + len(data)
            self._read_bytes += len(data)
            yield from _parsed(name, data)


def _parsed(name: str, lines: bytes) -> Iterator[MetricPoint]:
    for line in lines.splitlines():
        words = line.split()
        try:
            yield MetricPoint(name=name[:256], value=float(words[1]), step=int(words[2]) if len(words) > 2 else 0)
        except (ValueError, IndexError, OverflowError):
            continue


def logged_runs(folder: Path) -> list[LoggedRun]:
    """The runs of a folder, in the order in which they began; those that the step deleted are left out."""
    found = []
    for experiment in _folders(folder):
        for place in _folders(experiment):
            text = _bytes_of(place / "meta.yaml", 0, _META_BYTES).decode("utf-8", "replace")
            fields = dict(_FIELD.findall(text))
            if fields.get("start_time", "").isdecimal() and fields.get("lifecycle_stage") == "active":
                name = fields.get("run_name", "").strip("'\"") or place.name
                found.append(LoggedRun(folder=place, name=name, started=int(fields["start_time"])))
    found.sort(key=lambda run: (run.started, run.folder.name))
    runs: list[LoggedRun] = []
    for number, run in enumerate(found):
        is_taken = any(other.prefix == f"{run.name}/" for other in runs)
        prefix = "" if number == 0 else f"{run.name}-{number + 1}/" if is_taken else f"{run.name}/"
        runs.append(LoggedRun(folder=run.folder, name=run.name, started=run.started, prefix=prefix))
    return runs


def logged_fields(folder: Path) -> dict[str, Any] | None:
    """Parameters and tags of the runs of a folder, for the metadata of its artifact; None when no run is in it."""
    runs = logged_runs(folder)
    if not runs:
        return None
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    for run in runs:
        for kept, kind in ((params, "params"), (tags, "tags")):
            for name, path in _files(run.folder / kind):
                if not name.startswith("mlflow."):  # what it notes about the process is of no use after it
                    kept[run.prefix + name] = _bytes_of(path, 0, MAX_VALUE_BYTES).decode("utf-8", "replace")
    return {"runs": [run.name for run in runs], "params": params, "tags": tags}


def _folders(folder: Path) -> list[Path]:
    if folder.is_symlink():
        return []
    try:
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(found)[:MAX_FILES]


def _files(folder: Path) -> list[tuple[str, Path]]:
    """The files below a folder by their path in it, which is a name: MLflow makes folders of its slashes."""
    found: list[tuple[str, Path]] = []
    if folder.is_symlink():
        return found
    for place, _, names in os.walk(folder):
        found += [(os.path.relpath(os.path.join(place, name), folder), Path(place) / name) for name in names]
        if len(found) >= MAX_FILES:
            break
    return sorted(found)[:MAX_FILES]


def _bytes_of(path: Path, offset: int, limit: int) -> bytes:
    """Bytes of a regular file, none of anything else: a pipe would never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return os.pread(descriptor, limit, offset)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
