"""The verb judge_alerts: raise what several windows in a row show, resolve what is well again, and tell of both.

An alert follows from the windows alone, so that a window that is computed again, or a leader that does it again,
changes nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tidemill.base.events import append_event
from tidemill.base.site import Site
from tidemill.monitoring.alerts import store
from tidemill.monitoring.alerts.model import Alert, AlertState, check_alert_transition
from tidemill.monitoring.rules import Rules, rules_of
from tidemill.monitoring.windows import store as window_store
from tidemill.monitoring.windows.answering import answers
from tidemill.monitoring.windows.model import Finding, Verdict
from tidemill.serving import Revision, Service
from tidemill.serving.find import revisions_in_service

LOOK_BACK = 200
"""How many windows of a revision are looked at: truth may come for a few of them only."""

Key = tuple[str, str]
"""Name and feature of a finding."""


@dataclass(frozen=True, slots=True)
class _Run:
    """How the newest windows with a verdict on something ended: so many bad ones in a row, or so many good ones."""

    bad: int
    good: int
    last: Finding | None
    at: Verdict | None


def judge_alerts(connection: Connection, site: Site, service: Service) -> None:
    """Bring the alerts of a service up to date with its windows, in the caller's transaction."""
    rules = rules_of(connection, service.namespace_id, service.name)
    active = {each.key: each for each in store.active_alerts(connection, service.namespace_id, service.id)}
    answering = [each for each in revisions_in_service(connection, service) if answers(each)]
    for revision in answering:
        verdicts = window_store.verdicts_of(connection, service.namespace_id, service.id, revision.id, limit=LOOK_BACK)
        found = _keys(verdicts, rules) | {key[1:] for key in active if key[0] == revision.id}
        for key in sorted(found):
            alert = active.get((revision.id, *key))
            _judge(connection, site, (service, revision), alert, _run(verdicts, key, rules), rules)
    here = {each.id for each in answering}
    end_alerts(
        connection,
        site,
        [each for each in active.values() if each.revision_id not in here],
        "the revision answers no more",
    )


def end_alerts(connection: Connection, site: Site, alerts: Iterable[Alert], message: str) -> None:
    """End alerts about what is no more."""
    for alert in alerts:
        state = AlertState.RESOLVED if alert.state is AlertState.RAISED else AlertState.LAPSED
        _write(connection, site, alert, replace(alert, state=state, message=message))


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


def _run(verdicts: Sequence[Verdict], key: Key, rules: Rules) -> _Run:
    """The run at the end of the windows that judged this; those without enough rows or truths are passed over."""
    bad = good = 0
    last, at = None, None
    for verdict in reversed(verdicts):
        if key[0] not in verdict.judged:
            continue
        found = next((each for each in verdict.findings if (each.name, each.feature) == key), None)
        wrong = found is not None and found.breached and found.kind in rules.alerts
        well = found is None or found.kind not in rules.alerts
        if (wrong and good) or (well and bad) or not (wrong or well):
            break
        bad, good = bad + wrong, good + well
        if last is None and wrong:
            last, at = found, verdict
    return _Run(bad, good, last, at)


def _judge(
    connection: Connection, site: Site, about: tuple[Service, Revision], alert: Alert | None, run: _Run, rules: Rules
) -> None:
    now = site.clock.now()
    if alert is None:
        if run.last is not None and run.at is not None:
            made = _silenced_as_before(connection, _new(site, about, run.last, run.at), now)
            if _is_new(connection, made):
                store.insert_alert(connection, made)
                if run.bad >= rules.windows_to_raise:
                    _write(connection, site, made, replace(made, state=AlertState.RAISED, raised_at=now))
        return
    seen = alert
    if run.last is not None and run.at is not None:
        seen = replace(
            alert,
            value=run.last.value,
            threshold=run.last.threshold,
            window_id=run.at.window_id,
            window_start=run.at.start,
            window_end=run.at.end,
        )
    if alert.state is AlertState.PENDING and run.bad >= rules.windows_to_raise:
        seen = replace(seen, state=AlertState.RAISED, raised_at=now)
    elif alert.state is AlertState.PENDING and run.good:
        seen = replace(seen, state=AlertState.LAPSED, message="it was gone in the next window")
    elif alert.state is AlertState.RAISED and run.good >= rules.windows_to_resolve:
        seen = replace(seen, state=AlertState.RESOLVED, message=f"{run.good} windows in a row are well")
    if seen != alert or (seen.state is AlertState.RAISED and seen.told_at is None):
        _write(connection, site, alert, seen)


def _new(site: Site, about: tuple[Service, Revision], found: Finding, verdict: Verdict) -> Alert:
    service, revision = about
    nobody = dict.fromkeys(
        ("raised_at", "resolved_at", "told_at", "acknowledged_by", "acknowledged_at", "silenced_by", "silenced_until")
    )
    return Alert(
        **nobody,
        id=site.ids.new(),
        namespace_id=service.namespace_id,
        service_id=service.id,
        service=service.name,
        environment=service.spec.environment,
        revision_id=revision.id,
        revision=str(revision.number),
        kind=found.kind,
        name=found.name,
        feature=found.feature,
        state=AlertState.PENDING,
        value=found.value,
        threshold=found.threshold,
        window_id=verdict.window_id,
        window_start=verdict.start,
        window_end=verdict.end,
        message="",
        created_at=site.clock.now(),
        generation=1,
    )


def _silenced_as_before(connection: Connection, alert: Alert, now: datetime) -> Alert:
    """Silence is about what was found, so that it holds for the same thing when it comes again."""
    before = store.last_of_key(connection, alert)
    if before is None or not before.is_silent(now):
        return alert
    return replace(alert, silenced_by=before.silenced_by, silenced_until=before.silenced_until)


def _is_new(connection: Connection, alert: Alert) -> bool:
    """False when the windows that show it are those of an alert that has ended."""
    before = store.last_of_key(connection, alert)
    return before is None or alert.window_end > before.window_end


def _write(connection: Connection, site: Site, old: Alert, new: Alert) -> None:
    """Write the next generation of an alert, and tell of it: of a silenced one when its silence is over."""
    now = site.clock.now()
    if new.state is not old.state:
        check_alert_transition(old.state, new.state)
    is_told = new.state is AlertState.RAISED and new.told_at is None and not new.is_silent(now)
    new = replace(new, generation=old.generation + 1, told_at=now if is_told else new.told_at)
    if new.state is AlertState.RESOLVED:
        new = replace(new, resolved_at=now)
    if replace(new, generation=old.generation) == old or not store.update_alert(connection, new):
        return  # nothing is new, or somebody changed it just now: the next turn sees to it
    if is_told:
        _tell(connection, site, new, "alert.raised")
    elif new.state is AlertState.RESOLVED and new.told_at is not None:
        _tell(connection, site, new, "alert.resolved")


def _tell(connection: Connection, site: Site, alert: Alert, kind: str) -> None:
    append_event(
        connection,
        site.clock,
        namespace_id=alert.namespace_id,
        kind=kind,
        subject_id=alert.id,
        data=event_data(alert),
        created_by=store.SYSTEM,
    )


def event_data(alert: Alert) -> dict[str, Any]:
    """What the events of an alert say."""
    names = ("service", "environment", "revision", "feature", "value", "threshold", "window_id", "message")
    return {
        **{name: getattr(alert, name) for name in names},
        "alert": alert.name,
        "kind": alert.kind.value,
        "window_start": alert.window_start.isoformat(),
        "window_end": alert.window_end.isoformat(),
    }
