"""The verbs pause and resume: a trigger rests; what comes meanwhile is not made up."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, NotFound
from tidemill.base.events import append_event
from tidemill.base.site import Site
from tidemill.triggers import store
from tidemill.triggers.find import find_trigger
from tidemill.triggers.model import Trigger
from tidemill.triggers.plan_next import fresh_start


def pause(site: Site, actor: Actor, reference: str) -> Trigger:
    """Let a trigger rest until it is resumed; a firing under way goes on. Pausing it again changes nothing."""
    actor.demand(Permission.WRITE)
    found = find_trigger(site, actor.namespace_id, reference)
    with site.database.write() as connection:
        trigger = _held(connection, found)
        if trigger.paused_at is not None:
            return trigger
        changes = {"paused_by": actor.person, "paused_at": site.clock.now()}
        return _changed(connection, site, actor, trigger, changes)


def resume(site: Site, actor: Actor, reference: str) -> Trigger:
    """Let a trigger work again from now on; resuming one at work changes nothing."""
    actor.demand(Permission.WRITE)
    found = find_trigger(site, actor.namespace_id, reference)
    with site.database.write() as connection:
        trigger = _held(connection, found)
        if trigger.paused_at is None:
            return trigger
        anew = fresh_start(connection, trigger.spec, trigger.created_at, site.clock.now())
        return _changed(connection, site, actor, trigger, {"paused_by": None, "paused_at": None, **anew})


def _held(connection: Connection, found: Trigger) -> Trigger:
    trigger = store.trigger_by_id(connection, found.namespace_id, found.id, lock=True)
    if trigger is None:
        raise NotFound(f"the trigger {found.name} is gone")
    if trigger.removed_at is not None:
        raise Conflict(f"the trigger {found.name} is no longer declared", remedy="declare it again: tidemill apply")
    return trigger


def _changed(connection: Connection, site: Site, actor: Actor, trigger: Trigger, changes: dict[str, Any]) -> Trigger:
    store.change_trigger(connection, trigger, changes)
    append_event(
        connection,
        site.clock,
        namespace_id=trigger.namespace_id,
        kind="trigger.paused" if changes["paused_at"] is not None else "trigger.resumed",
        subject_id=trigger.id,
        data={"trigger": trigger.name, "project": trigger.project},
        created_by=actor.person,
    )
    changed = store.trigger_by_id(connection, trigger.namespace_id, trigger.id)
    assert changed is not None  # its row is held
    return changed
