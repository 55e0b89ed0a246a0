"""When a trigger is due next, and what it starts from."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from tidemill.base.events import last_event_number
from tidemill.triggers.model import ASKED, LISTENING, SCHEDULED, Trigger, TriggerKind, TriggerSpec
from tidemill.triggers.schedule import CronSchedule, IntervalSchedule, Schedule, zone_of

MOST_BACK_OFF = timedelta(minutes=15)


def schedule_of(spec: TriggerSpec, anchor: datetime) -> Schedule:
    """The schedule of a trigger of a scheduled kind."""
    if spec.kind == TriggerKind.CRON:
        return CronSchedule(spec.settings["cron"], zone_of(spec.settings["zone"]))
    return IntervalSchedule(spec.settings["every_seconds"], anchor)


def is_polled(spec: TriggerSpec) -> bool:
    """True for a kind that is looked at now and then."""
    return spec.kind not in SCHEDULED and spec.kind not in LISTENING and spec.kind not in ASKED


def next_time(spec: TriggerSpec, anchor: datetime, now: datetime) -> datetime | None:
    """When it is due after `now`; of a polled kind at once, of all others never."""
    if is_polled(spec):
        return now
    if spec.kind not in SCHEDULED:
        return None
    found = schedule_of(spec, anchor).following(now, 1)
    return found[0].at if found else None


def fresh_start(connection: Connection, spec: TriggerSpec, anchor: datetime, now: datetime) -> dict[str, Any]:
    """The fields of a trigger that begins, or begins again: what happened before counts as seen."""
    cursor = {"event": last_event_number(connection)} if spec.kind in LISTENING else None
    return {
        "next_at": next_time(spec, anchor, now),
        "planned_at": now,
        "cursor": cursor,
        "problem": None,
        "failures": 0,
    }


def next_look(trigger: Trigger, now: datetime, failures: int) -> datetime:
    """When a polled trigger is looked at next: later and later while looks fail."""
    usual = timedelta(seconds=int(trigger.spec.settings["poll_seconds"]))
    later = min(usual * (1 << min(failures, 10)), MOST_BACK_OFF)
    return now + max(usual, later)
