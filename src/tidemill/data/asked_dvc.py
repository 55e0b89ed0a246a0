"""The `Dvc` contract in terms of one question and one answer, whoever answers."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tidemill.base.errors import error_from_json
from tidemill.data.complaints import raise_error, raise_warnings
from tidemill.data.model import DataState, Transfer

_STATES = {"deleted": DataState.MISSING, "not in cache": DataState.CURRENT}


class AskedDvc(ABC):
    """A `Dvc` that asks a process with DVC in it; both sides speak one line of JSON (see `child.py`)."""

    @abstractmethod
    def _exchange(self, line: bytes) -> bytes:
        """The answer to one line; `Unavailable` when there is none."""

    def initialise(self, root: Path, remote: str) -> str | None:
        """See `Dvc`."""
        found: str | None = self._ask("initialise", root, remote=remote)["remote"]
        return found

    def add(self, root: Path, path: Path) -> None:
        """See `Dvc`."""
        self._ask("add", root, path=str(path))

    def push(self, root: Path, dvc_files: Sequence[Path]) -> Transfer:
        """See `Dvc`."""
        reply = self._ask("push", root, targets=_targets(root, dvc_files))
        raise_warnings(reply["warnings"], root)
        return Transfer(file_count=reply["file_count"])

    def pull(self, root: Path, dvc_files: Sequence[Path], *, force: bool) -> Transfer:
        """See `Dvc`."""
        reply = self._ask("pull", root, targets=_targets(root, dvc_files), force=force)
        return Transfer(file_count=reply["file_count"], changed_paths=tuple(reply["changed_paths"]))

    def states(self, root: Path, dvc_files: Sequence[Path]) -> dict[Path, DataState]:
        """See `Dvc`."""
        found = self._ask("states", root, targets=_targets(root, dvc_files))["states"]
        return {path: _state(found[target]) for path, target in zip(dvc_files, _targets(root, dvc_files), strict=True)}

    def files(self, root: Path, folder: Path) -> list[str]:
        """See `Dvc`."""
        return [str(each) for each in self._ask("files", root, path=str(folder))["files"]]

    def _ask(self, operation: str, root: Path, **fields: Any) -> dict[str, Any]:
        line = json.dumps({"operation": operation, "root": str(root), **fields}).encode() + b"\n"
        reply: dict[str, Any] = json.loads(self._exchange(line))
        if "refused" in reply:
            raise error_from_json(reply["refused"])
        if "error" in reply:
            raise_error(reply["error"], reply["warnings"], root)
        return reply


def _targets(root: Path, dvc_files: Sequence[Path]) -> list[str]:
    """Names below the root, where the child works: DVC takes a colon in a target for something else."""
    return [path.relative_to(root).as_posix() for path in dvc_files]


def _state(changes: Sequence[str]) -> DataState:
    """The worst of what DVC says of the outputs of one `.dvc` file."""
    states = {_STATES.get(change, DataState.CHANGED) for change in changes}
    for state in (DataState.CHANGED, DataState.MISSING):
        if state in states:
            return state
    return DataState.CURRENT
