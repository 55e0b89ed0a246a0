"""The verbs acknowledge_alert and silence_alert: what people do with an alert."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, InvalidInput
from tidemill.base.events import append_event
from tidemill.base.repeats import was_done
from tidemill.base.site import Site
from tidemill.monitoring.alerts import store
from tidemill.monitoring.alerts.find import alert_in
from tidemill.monitoring.alerts.model import ACTIVE, Alert

LONGEST_SILENCE = timedelta(days=90)


def acknowledge_alert(site: Site, actor: Actor, alert_id: str) -> Alert:
    """Say that somebody looks after it; whoever said so first stands.

    Raises `NotFound`, and `Conflict` for one that has ended.
    """
    now = site.clock.now()
    return _changed(site, actor, alert_id, "alert.acknowledged", acknowledged_by=actor.person, acknowledged_at=now)


def silence_alert(site: Site, actor: Actor, alert_id: str, until: datetime | None) -> Alert:
    """Tell nobody of it, nor of the same thing when it comes again, until a moment; None ends a silence.

    When it is still raised then, it is told of. Raises `InvalidInput`, `NotFound`.
    """
    now = site.clock.now()
    if until is not None and (until.tzinfo is None or not now < until <= now + LONGEST_SILENCE):
        raise InvalidInput(
            "is no moment of the next 90 days", place="until", remedy="write 2026-01-31T12:00:00Z, or --for 2h"
        )
    by = None if until is None else actor.person
    return _changed(site, actor, alert_id, "alert.silenced", silenced_by=by, silenced_until=until)


def _changed(site: Site, actor: Actor, alert_id: str, kind: str, **values: object) -> Alert:
    actor.demand(Permission.OPERATE)
    with site.database.write() as connection:
        found = alert_in(connection, actor.namespace_id, alert_id)
        if was_done(kind, alert_id):
            return found
        if kind == "alert.acknowledged":
            if found.state not in ACTIVE:
                raise Conflict(f"the alert is {found.state}", place=f"alert {alert_id}")
            if found.acknowledged_by is not None:
                return found
        changed = replace(found, **values, generation=found.generation + 1)  # type: ignore[arg-type] # fields of Alert
        if not store.update_alert(connection, changed):
            raise Conflict("the alert has changed meanwhile", place=f"alert {alert_id}", remedy="look again")
        append_event(
            connection,
            site.clock,
            namespace_id=actor.namespace_id,
            kind=kind,
            subject_id=alert_id,
            data={name: str(value) for name, value in values.items()},
            created_by=actor.person,
        )
    return changed
