"""The verb follow_verdicts: raise what several verdicts in a row show, resolve what is well again, and tell of both.

An alert follows from its verdicts alone, so that one that is made again, or a leader that does it again, changes
nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tidemill.base.events import append_event
from tidemill.base.site import Site
from tidemill.monitoring.alerts import store
from tidemill.monitoring.alerts.model import Alert, AlertState, Key, Subject, check_alert_transition
from tidemill.monitoring.rules import Rules
from tidemill.monitoring.windows.model import Finding, Verdict


@dataclass(frozen=True, slots=True)
class _Run:
    """How the newest windows with a verdict on something ended: so many bad ones in a row, or so many good ones."""

    bad: int
    good: int
    last: Finding | None
    at: Verdict | None


def follow_verdicts(
    connection: Connection, site: Site, about: Subject | Alert, key: Key, verdicts: Sequence[Verdict], rules: Rules
) -> None:
    """Bring one alert up to date with the verdicts about its subject, oldest first, in the caller's transaction.

    `about` is the alert where there is an active one, else what it would be about.
    """
    run = _run(verdicts, key, rules)
    if isinstance(about, Alert):
        _go_on(connection, site, about, run, rules)
    elif run.last is not None and run.at is not None:
        made = _silenced_as_before(connection, _new(site, about, run.last, run.at), site.clock.now())
        if _is_new(connection, made):
            store.insert_alert(connection, made)
            if run.bad >= rules.windows_to_raise:
                _write(connection, site, made, replace(made, state=AlertState.RAISED, raised_at=site.clock.now()))


def _go_on(connection: Connection, site: Site, alert: Alert, run: _Run, rules: Rules) -> None:
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
        seen = replace(seen, state=AlertState.RAISED, raised_at=site.clock.now())
    elif alert.state is AlertState.PENDING and run.good:
        seen = replace(seen, state=AlertState.LAPSED, message=f"it was gone in the next {_counted(seen)[:-1]}")
    elif alert.state is AlertState.RAISED and run.good >= rules.windows_to_resolve:
        seen = replace(seen, state=AlertState.RESOLVED, message=f"{run.good} {_counted(seen)} in a row are well")
    if seen != alert or (seen.state is AlertState.RAISED and seen.told_at is None):
        _write(connection, site, alert, seen)


def _counted(alert: Alert) -> str:
    """What verdicts about it are made of."""
    return "windows" if alert.window_id else "samples"


def end_alerts(connection: Connection, site: Site, alerts: Iterable[Alert], message: str) -> None:
    """End alerts about what is no more."""
    for alert in alerts:
        state = AlertState.RESOLVED if alert.state is AlertState.RAISED else AlertState.LAPSED
        _write(connection, site, alert, replace(alert, state=state, message=message))


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


def _new(site: Site, about: Subject, found: Finding, verdict: Verdict) -> Alert:
    nobody: dict[str, Any] = dict.fromkeys(
        ("raised_at", "resolved_at", "told_at", "acknowledged_by", "acknowledged_at", "silenced_by", "silenced_until")
    )
    return Alert(
        **nobody,
        **asdict(about),
        id=site.ids.new(),
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
