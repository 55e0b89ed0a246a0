"""The noun of alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tidemill.base.errors import Conflict
from tidemill.base.leases import SITE_WIDE
from tidemill.monitoring.rules import AlertKind
from tidemill.serving import Revision, Service


class AlertState(StrEnum):
    """Where an alert is in its life."""

    PENDING = "pending"  # found, but in fewer windows in a row than the rules ask for
    RAISED = "raised"  # found in so many windows in a row that somebody must look
    RESOLVED = "resolved"  # was raised and is well again, or its revision answers no more; the message says which
    LAPSED = "lapsed"  # was gone before it was raised


ALERT_TRANSITIONS: dict[AlertState, frozenset[AlertState]] = {
    AlertState.PENDING: frozenset({AlertState.RAISED, AlertState.LAPSED}),
    AlertState.RAISED: frozenset({AlertState.RESOLVED}),
    AlertState.RESOLVED: frozenset(),
    AlertState.LAPSED: frozenset(),
}
ACTIVE = (AlertState.PENDING, AlertState.RAISED)


def check_alert_transition(old: AlertState, new: AlertState) -> None:
    """Raise `Conflict` unless an alert may go from `old` to `new`."""
    if new not in ALERT_TRANSITIONS[old]:
        raise Conflict(f"an alert that is {old} cannot become {new}")


Key = tuple[str, str]
"""Name and feature of a finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an alert is about: a revision of a service, or the site itself, which has no service."""

    namespace_id: str
    service_id: str
    service: str
    environment: str
    revision_id: str
    revision: str


def subject_of(service: Service, revision: Revision) -> Subject:
    """A revision as what alerts are about."""
    return Subject(
        namespace_id=service.namespace_id,
        service_id=service.id,
        service=service.name,
        environment=service.spec.environment,
        revision_id=revision.id,
        revision=str(revision.number),
    )


def the_site(namespace_id: str) -> Subject:
    """The site itself; its alerts are those of the namespace of its owner."""
    return Subject(
        namespace_id=namespace_id, service_id=SITE_WIDE, service="", environment="", revision_id="", revision=""
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One finding of the rules about a revision or the site, from its first window to its end.

    `name` says what was found (`drift`, `performance`, `missing`), `feature` of which column, "" for the whole;
    `value`, `threshold` and the times are those of `window_id`, the newest window that shows it, "" where a sample of
    the site's figures does. `told_at` is when `alert.raised` was written: not while it is silenced.
    """

    id: str
    namespace_id: str
    service_id: str
    service: str
    environment: str
    revision_id: str
    revision: str
    kind: AlertKind
    name: str
    feature: str
    state: AlertState
    value: float
    threshold: float
    window_id: str
    window_start: datetime
    window_end: datetime
    message: str
    raised_at: datetime | None
    resolved_at: datetime | None
    told_at: datetime | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    silenced_by: str | None
    silenced_until: datetime | None
    created_at: datetime
    generation: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others of the service."""
        return self.revision_id, self.name, self.feature

    def is_silent(self, now: datetime) -> bool:
        """True while somebody wants to hear nothing of it."""
        return self.silenced_until is not None and now < self.silenced_until
