"""The nouns of data: a dataset version, the state of a dataset in a working folder, what a transfer moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from tidemill.artifacts.model import ContentKind


class DataState(StrEnum):
    """How the content in the working folder stands to the version that its `.dvc` file names."""

    CURRENT = "current"  # the content is that version
    CHANGED = "changed"  # the content is not that version, and no version yet
    MISSING = "missing"  # there is no content; a pull brings it


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenVersion:
    """One content of a dataset as a working folder shows it; `repository` and `path` say which dataset."""

    repository: str  # `git:<first commit>`: the same in every clone
    path: str  # of the file or folder, in the repository, with slashes
    dvc_file: str  # likewise, of its `.dvc` file
    hash: str  # as DVC names it: `md5:<hex>`, for a folder `md5:<hex>.dir`
    size_bytes: int
    file_count: int
    row_count: int | None  # where the format tells it cheaply (CSV, Parquet)
    git_commit: str | None  # the commit that brought this `.dvc` file; None while it is not committed


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVersion(SeenVersion):
    """A version that the site has recorded."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion(KnownVersion):
    """A recorded version as the site keeps it."""

    namespace_id: str
    generation: int
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOffer:
    """A file or folder that a run shall read: its path as the run names it, its digest, and the version that it is of.

    `version_id` is None for data without a version.
    """

    path: str
    digest: str
    kind: ContentKind
    version_id: str | None = None


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
    means a folder in `remotes`. `create_repository` makes a git repository in `project_dir` where there is none.
    """

    project_dir: Path
    path: Path
    remotes: Path
    message: str | None = None
    remote: str | None = None
    create_repository: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What an add made: the version, and the default remote (without a password), None when none is the default.

    `is_remote_kept` says that another remote was asked for than the one that stands.
    """

    version: KnownVersion
    remote: str | None
    is_remote_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What a push or pull did: how many files it moved, and which paths it changed here."""

    file_count: int
    changed_paths: tuple[str, ...] = ()
