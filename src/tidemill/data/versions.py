"""The verbs list_versions and dataset_version: what this site has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import NotFound
from tidemill.base.paging import key_of, page_token
from tidemill.base.site import Site
from tidemill.data import store
from tidemill.data.model import DatasetVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """Some versions, newest first, and the cursor of the next page."""

    items: tuple[DatasetVersion, ...]
    next_page_token: str | None


def list_versions(
    site: Site,
    actor: Actor,
    *,
    filters: Mapping[str, str] | None = None,
    page_size: int = 100,
    token: str | None = None,
) -> VersionPage:
    """The dataset versions of the actor's namespace, newest first; `filters` by repository, path (in it) or hash."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        found = store.page_of_versions(
            connection, actor.namespace_id, filters or {}, before=key_of(token), limit=page_size + 1
        )
    items = tuple(found[:page_size])
    return VersionPage(items=items, next_page_token=page_token(items[-1].id) if len(found) > page_size else None)


def dataset_version(site: Site, actor: Actor, version_id: str) -> DatasetVersion:
    """The version with that id; `NotFound` when there is none."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        found = store.version_by_id(connection, actor.namespace_id, version_id)
    if found is None:
        raise NotFound(f"there is no dataset version {version_id}")
    return found
