"""What a working folder shows of a version, recorded at the site at its first sight."""

from __future__ import annotations

from tidemill.base.errors import InvalidInput
from tidemill.data import git
from tidemill.data.data_site import DataSite
from tidemill.data.dvc_file import DvcFile
from tidemill.data.model import KnownVersion, SeenVersion
from tidemill.data.place import Place
from tidemill.data.rows import count_rows


def recorded(site: DataSite, place: Place, known: DvcFile) -> KnownVersion:
    """The site's record of the version that a `.dvc` file names, made at its first sight, its commit as soon as it has
    one. Rows are counted at the first sight only. Raises `InvalidInput` in a repository without a commit."""
    repository = git.repository_identity(place.git_root)
    if repository is None:
        raise InvalidInput(
            "the repository has no commit yet, so its data cannot be told from another's",
            place=str(place.git_root),
            remedy="commit something first: git commit --allow-empty -m start",
        )
    path = place.relative(place.data)
    found = site.find_version(repository, path, known.hash)
    git_commit = git.committed_at(place.git_root, place.dvc_file)
    if found is not None and (found.git_commit is not None or git_commit is None):
        return found
    return site.record_version(
        SeenVersion(
            repository=repository,
            path=path,
            dvc_file=place.relative(place.dvc_file),
            hash=known.hash,
            size_bytes=known.size_bytes,
            file_count=known.file_count,
            row_count=None if known.is_folder or found is not None else count_rows(place.data),
            git_commit=git_commit,
        )
    )
