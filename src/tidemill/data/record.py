"""Recording the dataset versions that this site has seen, each content once."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.exc import IntegrityError

from tidemill.access import Actor
from tidemill.base.errors import InvalidInput
from tidemill.base.events import append_event
from tidemill.base.site import Site
from tidemill.data import git, store
from tidemill.data.dvc_file import DvcFile
from tidemill.data.model import DatasetVersion
from tidemill.data.place import Place
from tidemill.data.rows import count_rows


def record_version(site: Site, actor: Actor, place: Place, known: DvcFile) -> DatasetVersion:
    """The row of the version that a `.dvc` file names, made at its first sight; writes `data.version_seen` then."""
    repository = git.repository_identity(place.git_root)
    if repository is None:
        raise InvalidInput(
            "the repository has no commit yet, so its data cannot be told from another's",
            place=str(place.git_root),
            remedy="commit something first: git commit --allow-empty -m start",
        )
    path = place.relative(place.data)
    with site.database.read() as connection:
        found = store.find_version(
            connection, actor.namespace_id, repository=repository, path=path, content_hash=known.hash
        )
    git_commit = git.committed_at(place.git_root, place.dvc_file)
    if found is not None and (found.git_commit is not None or git_commit is None):
        return found
    wanted = DatasetVersion(
        id=site.ids.new(),
        namespace_id=actor.namespace_id,
        repository=repository,
        path=path,
        dvc_file=place.relative(place.dvc_file),
        hash=known.hash,
        size_bytes=known.size_bytes,
        file_count=known.file_count,
        row_count=None if known.is_folder or found is not None else count_rows(place.data),
        git_commit=git_commit,
        generation=1,
        created_by=actor.person,
        created_at=site.clock.now(),
    )
    try:
        return _keep(site, wanted)
    except IntegrityError:  # another process was first; now it is there
        return _keep(site, wanted)


def _keep(site: Site, wanted: DatasetVersion) -> DatasetVersion:
    with site.database.write() as connection:
        found = store.find_version(
            connection,
            wanted.namespace_id,
            repository=wanted.repository,
            path=wanted.path,
            content_hash=wanted.hash,
        )
        if found is None:
            store.insert_version(connection, wanted)
            append_event(
                connection,
                site.clock,
                namespace_id=wanted.namespace_id,
                kind="data.version_seen",
                subject_id=wanted.id,
                data={"path": wanted.path, "hash": wanted.hash, "git_commit": wanted.git_commit},
                created_by=wanted.created_by,
            )
            return wanted
        if found.git_commit is None and wanted.git_commit is not None:
            store.set_commit(connection, wanted.namespace_id, found.id, wanted.git_commit)
            return replace(found, git_commit=wanted.git_commit, generation=found.generation + 1)
        return found
