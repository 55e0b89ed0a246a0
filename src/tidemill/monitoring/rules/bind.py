"""The verbs bind_rules and rules_of: rules are written by an apply of a project file and by nothing else."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.events import append_event
from tidemill.base.site import Site
from tidemill.monitoring.rules import store
from tidemill.monitoring.rules.model import Rules


def bind_rules(connection: Connection, site: Site, actor: Actor, service: str, rules: Rules | None) -> None:
    """Watch a service by these rules from now on, None: by the defaults; in the caller's transaction."""
    actor.demand(Permission.WRITE)
    if store.rules_for(connection, actor.namespace_id, service) == rules:
        return
    store.put_rules(connection, actor.namespace_id, service, rules, (actor.person, site.clock.now()))
    append_event(
        connection,
        site.clock,
        namespace_id=actor.namespace_id,
        kind="monitor.changed",
        subject_id=service,
        data={"rules": None if rules is None else rules.to_json()},
        created_by=actor.person,
    )


def rules_of(connection: Connection, namespace_id: str, service: str) -> Rules:
    """The rules that hold for a service, in the caller's transaction."""
    return store.rules_for(connection, namespace_id, service) or Rules()
