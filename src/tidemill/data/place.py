"""Where a dataset lies: its git repository, its DVC project and its `.dvc` file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidemill.base.errors import InvalidInput, NotFound
from tidemill.data import git
from tidemill.data.dvc_file import SUFFIX

_NOT_SEARCHED = frozenset({".git", ".dvc", ".venv", "node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A dataset's place; all paths absolute. `dvc_root` is the folder with `.dvc`, made there when it is missing."""

    git_root: Path
    dvc_root: Path
    data: Path
    dvc_file: Path

    def relative(self, path: Path) -> str:
        """A path in the repository, with slashes."""
        return path.relative_to(self.git_root).as_posix()


def git_root_of(project_dir: Path) -> Path:
    """The top of the git repository around a project; `InvalidInput` naming the command when there is none."""
    if not project_dir.is_dir():
        raise NotFound("there is no such folder", place=str(project_dir))
    root = git.repository_root(project_dir)
    if root is None:
        raise InvalidInput(
            "is not in a git repository, and versions of data are kept by git",
            place=str(project_dir),
            remedy=f"git init {project_dir}",
        )
    return root


def locate(project_dir: Path, path: Path) -> Place:
    """The place of a file or folder (or of its `.dvc` file), whether or not it is versioned yet.

    Raises `InvalidInput` for a path outside of the repository, or that is a link.
    """
    git_root = git_root_of(project_dir)
    folder = project_dir.resolve()
    data = Path(os.path.normpath(folder / path))
    if data.name.endswith(SUFFIX):
        data = data.with_name(data.name.removesuffix(SUFFIX))
    if data.is_symlink():
        raise InvalidInput("is a link; name what it leads to", place=str(path))
    data = data.parent.resolve() / data.name
    if not data.is_relative_to(git_root) or data == git_root:
        raise InvalidInput(
            f"lies outside of the repository {git_root}", place=str(path), remedy="copy the data into the project"
        )
    return _place(git_root, data)


def locate_versioned(project_dir: Path, path: Path) -> Place:
    """The place of the dataset that a path belongs to: itself, or a folder above it that is versioned as a whole.

    Raises `NotFound` when nothing of the kind is versioned.
    """
    place = locate(project_dir, path)
    for data in (place.data, *place.data.parents):
        if data == place.git_root:
            break
        found = _place(place.git_root, data)
        if found.dvc_file.is_file():
            return found
    raise NotFound("has no version yet", place=str(path), remedy=f"tidemill data add {path}")


def versioned_in(project_dir: Path) -> Iterator[Place]:
    """The datasets below a folder, in the order of their paths."""
    git_root = git_root_of(project_dir)
    for folder, below, files in os.walk(project_dir.resolve()):
        below[:] = sorted(name for name in below if name not in _NOT_SEARCHED)
        for name in sorted(files):
            if name.endswith(SUFFIX) and name != SUFFIX:
                yield _place(git_root, Path(folder) / name.removesuffix(SUFFIX))


def _place(git_root: Path, data: Path) -> Place:
    return Place(
        git_root=git_root, dvc_root=_dvc_root(git_root, data), data=data, dvc_file=data.with_name(data.name + SUFFIX)
    )


def _dvc_root(git_root: Path, data: Path) -> Path:
    for folder in data.parents:
        if (folder / ".dvc").is_dir():
            return folder
        if folder == git_root:
            break
    return git_root
