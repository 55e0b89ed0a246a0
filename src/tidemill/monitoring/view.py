"""The verb get_monitoring: how a service is, for people and pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.monitoring.alerts import Alert
from tidemill.monitoring.alerts import store as alert_store
from tidemill.monitoring.feedback import store as feedback_store
from tidemill.monitoring.rules import Rules, rules_of
from tidemill.monitoring.truth import store as truth_store
from tidemill.monitoring.windows import Window, store
from tidemill.serving import get_service


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """What is watched of a service and how it is: its windows newest first, the alerts that go on.

    `truth` counts the `rows` that have one, `corrections` of them, and `unknown` names that were sent; `ratings` how
    often each rating was given, with None for feedback without one.
    `problem` says why they could not be computed last, "" when they could; `computed_at` is None before the first time.
    """

    service: str
    environment: str
    rules: Rules
    windows: tuple[Window, ...]
    alerts: tuple[Alert, ...]
    truth: dict[str, int]
    ratings: dict[int | None, int]
    computed_at: datetime | None
    problem: str


def get_monitoring(
    site: Site, actor: Actor, name: str, *, before: tuple[datetime, str] | None = None, limit: int = 24
) -> Monitoring:
    """How a service is, with at most `limit` windows before the one of a start and a revision; `NotFound`."""
    service = get_service(site, actor, name)
    with site.database.read() as connection:
        progress = store.progress_of(connection, actor.namespace_id, service.id)
        return Monitoring(
            service=service.name,
            environment=service.spec.environment,
            rules=rules_of(connection, actor.namespace_id, service.name),
            windows=tuple(store.windows_of(connection, actor.namespace_id, service.id, before=before, limit=limit)),
            alerts=tuple(alert_store.active_alerts(connection, actor.namespace_id, service.id)),
            truth={
                **truth_store.count_truths(connection, actor.namespace_id, service.id),
                "unknown": truth_store.count_unknown(connection, actor.namespace_id, service.id),
            },
            ratings=feedback_store.ratings_of(connection, actor.namespace_id, service.id),
            computed_at=None if progress is None else progress.computed_at,
            problem="" if progress is None else progress.problem,
        )


def get_window(site: Site, actor: Actor, window_id: str) -> Window:
    """The window of that id: the evidence of an alert; `NotFound`."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        found = store.window_by_id(connection, actor.namespace_id, window_id)
    if found is None:
        raise NotFound(f"there is no window {window_id[:64]}", remedy="tidemill service monitor NAME")
    return found
