"""The verb judge_alerts: the alerts of a service follow from the windows over its predictions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tidemill.base.site import Site
from tidemill.monitoring.alerts import store
from tidemill.monitoring.alerts.follow import end_alerts, follow_verdicts
from tidemill.monitoring.alerts.model import Key, subject_of
from tidemill.monitoring.rules import Rules, rules_of
from tidemill.monitoring.windows import store as window_store
from tidemill.monitoring.windows.answering import answers
from tidemill.monitoring.windows.model import Verdict
from tidemill.serving import Service
from tidemill.serving.find import revisions_in_service

LOOK_BACK = 200
"""How many windows of a revision are looked at: truth may come for a few of them only."""


def judge_alerts(connection: Connection, site: Site, service: Service) -> None:
    """Bring the alerts of a service up to date with its windows, in the caller's transaction."""
    rules = rules_of(connection, service.namespace_id, service.name)
    active = {each.key: each for each in store.active_alerts(connection, service.namespace_id, service.id)}
    answering = [each for each in revisions_in_service(connection, service) if answers(each)]
    for revision in answering:
        verdicts = window_store.verdicts_of(connection, service.namespace_id, service.id, revision.id, limit=LOOK_BACK)
        found = _keys(verdicts, rules) | {key[1:] for key in active if key[0] == revision.id}
        for key in sorted(found):
            about = active.get((revision.id, *key)) or subject_of(service, revision)
            follow_verdicts(connection, site, about, key, verdicts, rules)
    here = {each.id for each in answering}
    end_alerts(
        connection,
        site,
        [each for each in active.values() if each.revision_id not in here],
        "the revision answers no more",
    )


def _keys(verdicts: Sequence[Verdict], rules: Rules) -> set[Key]:
    """What the newest windows found, of the kinds that there are alerts about."""
    newest = verdicts[-(rules.windows_to_raise + rules.windows_to_resolve) :]
    late = [each for each in verdicts if any(found.name == "performance" for found in each.findings)]
    return {
        (found.name, found.feature)
        for verdict in (*newest, *late)
        for found in verdict.findings
        if found.breached and found.kind in rules.alerts
    }
