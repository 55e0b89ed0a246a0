"""Finding alerts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.monitoring.alerts import store
from tidemill.monitoring.alerts.model import Alert, AlertState


def get_alert(site: Site, actor: Actor, alert_id: str) -> Alert:
    """The alert of that id; `NotFound`."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        return alert_in(connection, actor.namespace_id, alert_id)


def alert_in(connection: Connection, namespace_id: str, alert_id: str) -> Alert:
    """The alert of that id in the caller's transaction; `NotFound`."""
    found = store.alert_by_id(connection, namespace_id, alert_id)
    if found is None:
        raise NotFound(f"there is no alert {alert_id[:64]!r}", remedy="tidemill alert list")
    return found


def list_alerts(
    site: Site,
    actor: Actor,
    *,
    states: Sequence[AlertState] = (),
    service: str | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[Alert]:
    """Alerts, newest first, at most `limit`; `before` is the id of the last one seen."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        return store.alerts_of(
            connection, actor.namespace_id, states=states, service=service, before=before, limit=limit
        )
