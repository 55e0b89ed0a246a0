"""Finding triggers and their firings."""

from __future__ import annotations

import re

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, NotFound
from tidemill.base.site import Site
from tidemill.triggers import store
from tidemill.triggers.model import Firing, Trigger

MOST_CHARACTERS = 127
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def get_trigger(site: Site, actor: Actor, reference: str) -> Trigger:
    """The trigger of a name, or of `PROJECT.NAME`; `NotFound`, `Conflict` for a name that two projects have."""
    actor.demand(Permission.READ)
    return find_trigger(site, actor.namespace_id, reference)


def find_trigger(site: Site, namespace_id: str, reference: str) -> Trigger:
    """`get_trigger` for a part of the site that acts for nobody."""
    project, dot, name = reference.rpartition(".")
    if not reference.isprintable() or len(reference) > MOST_CHARACTERS:
        raise _no_trigger(reference)
    with site.database.read() as connection:
        found = store.triggers_named(connection, namespace_id, name, project if dot else None)
    declared = [each for each in found if each.removed_at is None]
    if len(declared) > 1:
        names = " or ".join(f"{each.project}.{each.name}" for each in declared[:5])
        raise Conflict(f"{len(declared)} projects have a trigger {name!r}", remedy=f"write {names}")
    if not found:
        raise _no_trigger(reference)
    return (declared or found)[0]


def trigger_of_id(site: Site, trigger_id: str) -> Trigger | None:
    """The trigger of an id, for who knows no more than that: a webhook."""
    if not _UUID.fullmatch(trigger_id):
        return None
    with site.database.read() as connection:
        namespace_id = store.namespace_of_trigger(connection, trigger_id)
        return None if namespace_id is None else store.trigger_by_id(connection, namespace_id, trigger_id)


def _no_trigger(reference: str) -> NotFound:
    return NotFound(f"there is no trigger {reference[:MOST_CHARACTERS]!r}", remedy="tidemill trigger list")


def list_triggers(site: Site, actor: Actor, *, project: str | None = None) -> list[Trigger]:
    """The declared triggers, by project and name."""
    actor.demand(Permission.READ)
    if project is not None and not project.isprintable():
        return []
    with site.database.read() as connection:
        return store.triggers_of(connection, actor.namespace_id, project)


def list_firings(
    site: Site, actor: Actor, reference: str, *, before: str | None = None, limit: int = 50
) -> list[Firing]:
    """The firings of a trigger, newest first, at most `limit`, those before the id `before`."""
    trigger = get_trigger(site, actor, reference)
    with site.database.read() as connection:
        return store.firings_of(connection, trigger, before=before, limit=limit)


def get_firing(site: Site, actor: Actor, firing_id: str) -> Firing:
    """The firing of that id; `NotFound`."""
    actor.demand(Permission.READ)
    found = None
    if _UUID.fullmatch(firing_id):
        with site.database.read() as connection:
            found = store.firing_by_id(connection, actor.namespace_id, firing_id)
    if found is None:
        raise NotFound(f"there is no firing {firing_id[:64]!r}", remedy="tidemill trigger history")
    return found
