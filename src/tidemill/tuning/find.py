"""Finding tunings."""

from __future__ import annotations

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.tuning import store
from tidemill.tuning.model import Tuning


def get_tuning(site: Site, actor: Actor, tuning_id: str) -> Tuning:
    """The tuning of that id with its trials; `NotFound` when there is none in the actor's namespace."""
    actor.demand(Permission.READ)
    return tuning_in(site, actor.namespace_id, tuning_id)


def list_tunings(site: Site, actor: Actor, *, before: str | None = None, limit: int = 100) -> list[Tuning]:
    """Tunings, newest first, at most `limit`; `before` is the id of the last one seen."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        return store.tunings_of(connection, actor.namespace_id, before=before, limit=limit)


def tuning_in(site: Site, namespace_id: str, tuning_id: str) -> Tuning:
    """`get_tuning` for a part of the site that acts for nobody."""
    with site.database.read() as connection:
        found = store.tuning_by_id(connection, namespace_id, tuning_id)
    if found is None:
        raise NotFound(f"there is no tuning {tuning_id[:64]}")
    return found
