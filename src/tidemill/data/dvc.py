"""What the data verbs need of DVC."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tidemill.data.model import DataState, Transfer


class Dvc(Protocol):
    """DVC on working folders. `root` is the folder with `.dvc`; paths are absolute, below it.

    Every method raises `InvalidInput` for what the user has to correct, `Conflict` where content that has no version
    would be lost or another DVC is at work, `NotFound` for content that is in no remote, `Unavailable` when a remote
    or DVC itself does not answer, `StorageFull` when the disk has no room.
    """

    def initialise(self, root: Path, remote: str) -> str | None:
        """Make `root` a DVC project where it is none, and `remote` its default remote where it has no remote.

        Gives the address of the default remote as it is now, None when there are remotes and none is the default.
        """

    def add(self, root: Path, path: Path) -> None:
        """Write `<path>.dvc` for the content of a file or folder, and keep the content in the cache."""

    def push(self, root: Path, dvc_files: Sequence[Path]) -> Transfer:
        """Bring the content of these versions to the default remote."""

    def pull(self, root: Path, dvc_files: Sequence[Path], *, force: bool) -> Transfer:
        """Bring the content of these versions here; `force` overwrites content that has no version."""

    def states(self, root: Path, dvc_files: Sequence[Path]) -> dict[Path, DataState]:
        """How the content of each stands to its version."""

    def files(self, root: Path, folder: Path) -> list[str]:
        """The files of a folder that a version of it has, by their paths in it; `.dvcignore` leaves some out."""

    def close(self) -> None:
        """Let go of what it holds; a later call starts it anew."""
