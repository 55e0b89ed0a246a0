"""The verb record_version: a dataset version that somebody's working folder shows, each content once."""

from __future__ import annotations

from dataclasses import asdict, replace

from sqlalchemy.exc import IntegrityError

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.events import append_event
from tidemill.base.site import Site
from tidemill.data import store
from tidemill.data.model import DatasetVersion, SeenVersion


def record_version(site: Site, actor: Actor, seen: SeenVersion) -> DatasetVersion:
    """The row of a version, made at its first sight (`data.version_seen` is written then); a commit is kept once."""
    actor.demand(Permission.WRITE)
    wanted = DatasetVersion(
        **asdict(seen),
        id=site.ids.new(),
        namespace_id=actor.namespace_id,
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
