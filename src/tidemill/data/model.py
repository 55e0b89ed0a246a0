"""The nouns of data: a dataset version, the state of a dataset in a working folder, what a transfer moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class DataState(StrEnum):
    """How the content in the working folder stands to the version that its `.dvc` file names."""

    CURRENT = "current"  # the content is that version
    CHANGED = "changed"  # the content is not that version, and no version yet
    MISSING = "missing"  # there is no content; a pull brings it


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """One content of a dataset, as DVC names it; `repository` and `path` say which dataset."""

    id: str
    namespace_id: str
    repository: str  # `git:<first commit>`: the same in every clone
    path: str  # of the file or folder, in the repository, with slashes
    dvc_file: str  # likewise, of its `.dvc` file
    hash: str  # `md5:<hex>`, for a folder `md5:<hex>.dir`
    size_bytes: int
    file_count: int
    row_count: int | None  # where the format tells it cheaply (CSV, Parquet)
    git_commit: str | None  # the commit that brought this `.dvc` file; None while it is not committed
    generation: int
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetStatus:
    """A dataset in a working folder."""

    path: str
    dvc_file: str
    hash: str
    size_bytes: int
    state: DataState
    git_commit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRequest:
    """What to version; `path` is a file or folder in the git repository around `project_dir`.

    `remote` is the address of the default remote where there is no remote yet (a folder, s3://, ssh://, http://); None
    means a folder in the home. `create_repository` makes a git repository in `project_dir` where there is none.
    """

    project_dir: Path
    path: Path
    message: str | None = None
    remote: str | None = None
    create_repository: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What a push or pull did: how many files it moved, and which paths it changed here."""

    file_count: int
    changed_paths: tuple[str, ...] = ()
