"""Finding rollouts."""

from __future__ import annotations

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.site import Site
from tidemill.serving.model import Service
from tidemill.serving.rollout import store
from tidemill.serving.rollout.model import Rollout


def list_rollouts(site: Site, actor: Actor, service: Service, *, limit: int = 100) -> list[Rollout]:
    """The rollouts of a service, newest first."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        found = store.rollouts_of(connection, actor.namespace_id, service.id, limit=limit)
    return [rollout for rollout, _ in found]
