"""The verb follow_subject: all alerts about one subject, brought up to date with the newest verdicts about it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tidemill.base.site import Site
from tidemill.monitoring.alerts import store
from tidemill.monitoring.alerts.follow import follow_verdicts
from tidemill.monitoring.alerts.model import Alert, Key, Subject
from tidemill.monitoring.rules import Rules
from tidemill.monitoring.windows.model import Verdict


def follow_subject(site: Site, subject: Subject, verdicts: Sequence[Verdict], rules: Rules) -> None:
    """Follow verdicts about a subject, oldest first; alerts about what they did not judge stay as they are.

    Nothing is written while nothing is wrong.
    """
    judged = frozenset[str]().union(*(each.judged for each in verdicts))
    wrong = {
        (found.name, found.feature)
        for each in verdicts
        for found in each.findings
        if found.breached and found.kind in rules.alerts
    }
    if not wrong:
        with site.database.read() as connection:
            if not _active(connection, subject, judged):
                return
    with site.database.write() as connection:
        active = _active(connection, subject, judged)
        for key in sorted(wrong | active.keys()):
            follow_verdicts(connection, site, active.get(key, subject), key, verdicts, rules)


def _active(connection: Connection, subject: Subject, judged: frozenset[str]) -> dict[Key, Alert]:
    alerts = store.active_alerts(connection, subject.namespace_id, subject.service_id)
    return {
        (each.name, each.feature): each
        for each in alerts
        if each.revision_id == subject.revision_id and each.name in judged
    }
