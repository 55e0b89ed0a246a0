"""The verbs declare_targets and declare_site_targets: who is told, as a project file or the settings say."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.events import append_event, last_event_number
from tidemill.base.site import Site
from tidemill.notify import store
from tidemill.notify.model import NotifyPlan, Target

SYSTEM = "notify"


def declare_targets(
    connection: Connection, site: Site, actor: Actor, project: tuple[str, str], plan: NotifyPlan | None
) -> None:
    """Tell these addresses from now on, and no others, of what concerns a project (its name, its service's or "").

    In the caller's transaction. Who was told before goes on where it was; a new one hears nothing of the past.
    """
    actor.demand(Permission.WRITE)
    if _declare(connection, site, (actor.namespace_id, *project), plan or NotifyPlan(), actor.person):
        told = [] if plan is None else [each.value for each in plan.subjects]
        append_event(
            connection,
            site.clock,
            namespace_id=actor.namespace_id,
            kind="notify.changed",
            subject_id=project[0],
            data={"addresses": 0 if plan is None else len(plan.addresses), "events": told},
            created_by=actor.person,
        )


def declare_site_targets(connection: Connection, site: Site, namespace_id: str, plan: NotifyPlan) -> None:
    """The same for the addresses of the settings, which are told of everything in a namespace."""
    _declare(connection, site, (namespace_id, store.SITE_WIDE, ""), plan, SYSTEM)


def is_declared(known: list[Target], plan: NotifyPlan, service: str = "") -> bool:
    """True when just these addresses are told of just these subjects."""
    there = {(each.address, each.subjects, each.service) for each in known}
    return there == {(address, plan.subjects, service) for address in plan.addresses}


def _declare(
    connection: Connection, site: Site, where: tuple[str, str, str], plan: NotifyPlan, created_by: str
) -> bool:
    namespace_id, project, service = where
    known = {each.address: each for each in store.targets_of(connection, namespace_id, project)}
    if is_declared(list(known.values()), plan, service):
        return False
    now = site.clock.now()
    for address in plan.addresses:
        if address in known:
            values = {"subjects": [each.value for each in plan.subjects], "service": service}
            store.update_target(connection, known[address], **values)
            continue
        made = Target(
            namespace_id=namespace_id,
            project=project,
            service=service,
            address=address,
            subjects=plan.subjects,
            told_until=last_event_number(connection),
            minute_began=now,
            sent=0,
            created_by=created_by,
            created_at=now,
        )
        store.insert_target(connection, made)
    for address, target in known.items():
        if address not in plan.addresses:
            store.delete_target(connection, target)
    return True
