"""The verb tend_alerts: see to alerts without a new window, when a revision, a service or a silence has ended."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tidemill.base.site import Site
from tidemill.monitoring.alerts import store
from tidemill.monitoring.alerts.follow import end_alerts
from tidemill.monitoring.alerts.judge import judge_alerts
from tidemill.monitoring.alerts.model import Alert, AlertState
from tidemill.monitoring.windows.answering import answers
from tidemill.serving import Service
from tidemill.serving.find import revisions_in_service


def tend_alerts(site: Site, services: Sequence[Service]) -> None:
    """Judge the alerts again for which something but the windows has changed; `services` are all that there are."""
    by_id = {(each.namespace_id, each.id): each for each in services}
    with site.database.read() as connection:
        due = [key for key in store.services_with_alerts(connection) if _is_due(connection, site, key, by_id.get(key))]
    for namespace_id, service_id in due:
        service = by_id.get((namespace_id, service_id))
        with site.database.write() as connection:
            if service is not None:
                judge_alerts(connection, site, service)
            else:
                active = store.active_alerts(connection, namespace_id, service_id)
                end_alerts(connection, site, active, "the service is gone")


def _is_due(connection: Connection, site: Site, key: tuple[str, str], service: Service | None) -> bool:
    if service is None:
        return True
    answering = {each.id for each in revisions_in_service(connection, service) if answers(each)}
    return any(
        each.revision_id not in answering or _is_untold(site, each) for each in store.active_alerts(connection, *key)
    )


def _is_untold(site: Site, alert: Alert) -> bool:
    return alert.state is AlertState.RAISED and alert.told_at is None and not alert.is_silent(site.clock.now())
