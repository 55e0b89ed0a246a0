"""The verb fire_due: schedules whose time has come, and events that triggers listen to."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection

from tidemill.base.errors import TidemillError
from tidemill.base.events import Event, events_after
from tidemill.base.leases import LeaseLost
from tidemill.base.site import Site
from tidemill.triggers import store
from tidemill.triggers.approvals import Approvals
from tidemill.triggers.fire import Verdict, fire_in, record_skipped, refusal_of
from tidemill.triggers.model import LISTENING, SCHEDULED, CatchUp, Occasion, Trigger, TriggerKind
from tidemill.triggers.plan_next import next_time, schedule_of
from tidemill.triggers.schedule import Due

ON_TIME = timedelta(minutes=1)
"""A time is not missed while no more than this has passed."""

SET_BACK = timedelta(minutes=1)
"""A plan made by a clock that was ahead of this one by more than this is made again."""

EVENTS_AT_ONCE = 100
log = logging.getLogger(__name__)


def fire_due(site: Site, approvals: Approvals) -> int:
    """Fire every schedule that is due and every listener whose event came; how many triggers were looked at.

    Each trigger in a transaction of its own: its firings and what it has seen are written together, so that a crash
    neither loses nor repeats one. What fails for one trigger is logged, and the others have their turn.
    """
    now = site.clock.now()
    with site.database.read() as connection:
        due = store.due_triggers(connection, now, now + SET_BACK)
        scheduled = [each for each in due if each.spec.kind in SCHEDULED]
        listening = [each for each in store.triggers_of_kinds(connection, list(LISTENING)) if _events(connection, each)]
    for trigger in (*scheduled, *listening):
        try:
            refusal = refusal_of(site, approvals, trigger)
            with site.database.write() as connection:
                held = store.trigger_by_id(connection, trigger.namespace_id, trigger.id, lock=True)
                if held is None or not held.is_at_work or held.generation != trigger.generation:
                    continue
                (_fire_times if held.spec.kind in SCHEDULED else _fire_events)(connection, site, held, refusal)
        except LeaseLost:
            raise
        except TidemillError as problem:
            log.warning("trigger %s: %s", trigger.id, problem)
    return len(scheduled) + len(listening)


def _fire_times(connection: Connection, site: Site, trigger: Trigger, refusal: Verdict | None) -> None:
    now = site.clock.now()
    if trigger.next_at is not None and trigger.next_at <= now:
        before = trigger.next_at - timedelta(microseconds=1)
        wanted = _wanted(trigger, before, now)
        until = wanted[0].at - timedelta(microseconds=1) if wanted else now
        missed = schedule_of(trigger.spec, trigger.created_at).between(before, until, newest=1)
        if missed:
            _record_missed(connection, site, trigger, missed[0])
        for due in wanted:
            occasion = Occasion(
                kind=trigger.spec.kind,
                key=f"time:{due.wall}",
                cause={"time": due.wall, **_zone(trigger), "at": due.at.isoformat()},
            )
            fire_in(connection, site, trigger, occasion, refusal)
    planned = {"next_at": next_time(trigger.spec, trigger.created_at, now), "planned_at": now}
    store.change_trigger(connection, trigger, planned)


def _wanted(trigger: Trigger, after: datetime, now: datetime) -> list[Due]:
    """The times that are fired now; of those that came while nobody led, what the catch-up policy says."""
    spec = trigger.spec
    schedule = schedule_of(spec, trigger.created_at)
    if spec.catch_up is CatchUp.ALL:
        return schedule.between(after, now, newest=spec.catch_up_limit)
    if spec.catch_up is CatchUp.NONE:
        return schedule.between(max(after, now - ON_TIME), now, newest=1)
    return schedule.between(after, now, newest=1)


def _record_missed(connection: Connection, site: Site, trigger: Trigger, newest: Due) -> None:
    """One line for all that was missed."""
    assert trigger.next_at is not None
    several = trigger.next_at != newest.at
    times = f"the times from {trigger.next_at.isoformat()} to {newest.wall}" if several else f"the time {newest.wall}"
    reason = f"{times} passed while no controller led; catch_up is {trigger.spec.catch_up.value}"
    cause = {"from": trigger.next_at.isoformat(), "to": newest.at.isoformat(), **_zone(trigger)}
    occasion = Occasion(kind=trigger.spec.kind, key=f"missed:{newest.wall}", cause=cause)
    record_skipped(connection, site, trigger, occasion, reason)


def _zone(trigger: Trigger) -> dict[str, str]:
    return {"zone": trigger.spec.settings["zone"]} if trigger.spec.kind == TriggerKind.CRON else {}


def _events(connection: Connection, trigger: Trigger) -> list[Event]:
    seen = int((trigger.cursor or {}).get("event", 0))
    kinds = [LISTENING[TriggerKind(trigger.spec.kind)]]
    return events_after(connection, namespace_id=trigger.namespace_id, number=seen, kinds=kinds, limit=EVENTS_AT_ONCE)


def _fire_events(connection: Connection, site: Site, trigger: Trigger, refusal: Verdict | None) -> None:
    events = _events(connection, trigger)
    for event in events:
        if _concerns(trigger, event):
            facts = {key: value for key, value in event.data.items() if key != "schema_version"}
            cause = {"event": event.number, "subject": event.subject_id, **facts}
            occasion = Occasion(kind=trigger.spec.kind, key=f"event:{event.number}", cause=cause)
            fire_in(connection, site, trigger, occasion, refusal)
    if events:
        store.change_trigger(connection, trigger, {"cursor": {"event": events[-1].number}})


def _concerns(trigger: Trigger, event: Event) -> bool:
    action, settings, data = trigger.spec.action, trigger.spec.settings, event.data
    if trigger.spec.kind == TriggerKind.PIPELINE_APPROVED:
        return (data.get("project"), data.get("environment")) == (action.project, action.environment)
    if event.data.get("service") == "":  # the site itself: for who asks for its health, and for no service
        is_named = settings.get("alert") in (None, data.get("alert"))
        return is_named and settings.get("alert_kind") == data.get("kind") and not settings.get("service")
    wanted = {"service": settings.get("service") or action.service or None, "environment": action.environment}
    wanted |= {"alert": settings.get("alert"), "kind": settings.get("alert_kind")}
    return all(value is None or data.get(key) == value for key, value in wanted.items())
