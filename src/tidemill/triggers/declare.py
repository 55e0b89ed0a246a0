"""The verb declare_triggers: an apply makes a project's triggers what its file says."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.events import append_event
from tidemill.base.site import Site
from tidemill.triggers import store
from tidemill.triggers.model import Trigger, TriggerSpec
from tidemill.triggers.plan_next import fresh_start
from tidemill.triggers.spec import check_spec, spec_to_json


def declare_triggers(
    connection: Connection, site: Site, actor: Actor, project: str, specs: Sequence[TriggerSpec], *, source: str
) -> None:
    """Make, change or take out triggers in the caller's transaction; pauses stay, and so does the history.

    One whose own settings changed begins anew, so that nothing from before fires it; another action or policy leaves
    what it has seen. Raises `InvalidInput` with the field.
    """
    actor.demand(Permission.WRITE)
    wanted = {spec.name: check_spec(spec, place=f"triggers.{spec.name}") for spec in specs}
    known = {each.name: each for each in store.declared_before(connection, actor.namespace_id, project)}
    for name, spec in wanted.items():
        if name in known:
            _change(connection, site, actor, known[name], spec, source)
        else:
            _add(connection, site, actor, spec, source)
    for name, trigger in known.items():
        if name not in wanted and trigger.removed_at is None:
            changes = {"removed_at": site.clock.now(), "next_at": None}
            store.change_trigger(connection, trigger, changes)
            _tell(connection, site, actor, trigger, "trigger.removed")


def _add(connection: Connection, site: Site, actor: Actor, spec: TriggerSpec, source: str) -> None:
    now = site.clock.now()
    trigger = Trigger(
        id=site.ids.new(),
        namespace_id=actor.namespace_id,
        spec=spec,
        source=source,
        paused_by=None,
        paused_at=None,
        removed_at=None,
        created_by=actor.person,
        created_at=now,
        generation=1,
        **fresh_start(connection, spec, now, now),
    )
    store.insert_trigger(connection, trigger)
    _tell(connection, site, actor, trigger, "trigger.declared")


def _change(connection: Connection, site: Site, actor: Actor, trigger: Trigger, spec: TriggerSpec, source: str) -> None:
    if trigger.removed_at is None and spec_to_json(trigger.spec) == spec_to_json(spec):
        return
    begins = trigger.removed_at is not None or (trigger.spec.kind, trigger.spec.settings) != (spec.kind, spec.settings)
    anew = fresh_start(connection, spec, trigger.created_at, site.clock.now()) if begins else {}
    # whoever applied it last answers for what it does from now on
    own = {"spec": spec, "source": source, "created_by": actor.person, "removed_at": None}
    store.change_trigger(connection, trigger, {**own, **anew})
    _tell(connection, site, actor, trigger, "trigger.declared")


def _tell(connection: Connection, site: Site, actor: Actor, trigger: Trigger, kind: str) -> None:
    append_event(
        connection,
        site.clock,
        namespace_id=trigger.namespace_id,
        kind=kind,
        subject_id=trigger.id,
        data={"trigger": trigger.name, "project": trigger.project, "kind": str(trigger.spec.kind)},
        created_by=actor.person,
    )
