"""Finding artifacts."""

from __future__ import annotations

from tidemill.access.model import Actor, Permission
from tidemill.artifacts import store
from tidemill.artifacts.model import Artifact, Page
from tidemill.base import paging
from tidemill.base.errors import InvalidInput, NotFound
from tidemill.base.site import Site

MAX_PAGE_SIZE = 1_000
FILTERS = frozenset({"run_id", "task_id", "name", "type", "digest"})


def artifact(site: Site, actor: Actor, artifact_id: str) -> Artifact:
    """The artifact of that id in the actor's namespace; `NotFound` when there is none."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        found = store.artifact_by_id(connection, actor.namespace_id, artifact_id)
    if found is None:
        raise NotFound(f"there is no artifact {artifact_id[:64]!r}", remedy="tidemill runs show RUN lists a run's")
    return found


def list_artifacts(
    site: Site,
    actor: Actor,
    *,
    filters: dict[str, str] | None = None,
    page_size: int = 100,
    page_token: str | None = None,
) -> Page[Artifact]:
    """Artifacts of the actor's namespace, newest first; `filters` by run_id, task_id, name, type or digest."""
    actor.demand(Permission.READ)
    wanted = filters or {}
    if unknown := set(wanted) - FILTERS:
        raise InvalidInput(f"cannot filter by {', '.join(sorted(unknown))}", remedy=f"use {', '.join(sorted(FILTERS))}")
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidInput(f"page_size is from 1 to {MAX_PAGE_SIZE}")
    after = paging.key_of(page_token)
    with site.database.read() as connection:
        found = store.page_of_artifacts(connection, actor.namespace_id, wanted, after=after, limit=page_size + 1)
    items = found[:page_size]
    return Page(items=items, next_page_token=paging.page_token(items[-1].id) if len(found) > page_size else None)
