"""The verb poll_sources: what is outside is looked at, away from the schedules, and later after each failure."""

from __future__ import annotations

import logging
from datetime import timedelta

from tidemill.base.canonical import canonical_json
from tidemill.base.errors import InvalidInput, TidemillError
from tidemill.base.leases import LeaseLost
from tidemill.base.site import Site
from tidemill.triggers import store
from tidemill.triggers.approvals import Approvals
from tidemill.triggers.fire import fire_in, refusal_of
from tidemill.triggers.model import Occasion, Trigger
from tidemill.triggers.plan_next import is_polled, next_look
from tidemill.triggers.sources.contract import Sighting
from tidemill.triggers.sources.find import source_of

MOST_CURSOR_BYTES = 100_000
log = logging.getLogger(__name__)


def poll_sources(site: Site, approvals: Approvals) -> int:
    """Look at every source that is due; how many there were. What a look found is written with its firing."""
    now = site.clock.now()
    with site.database.read() as connection:
        found = store.due_triggers(connection, now, now + timedelta(minutes=1))
    due = [each for each in found if is_polled(each.spec)]
    for trigger in due:
        try:
            _poll(site, approvals, trigger)
        except LeaseLost:
            raise
        except TidemillError as problem:
            log.warning("trigger %s: %s", trigger.id, problem)
    return len(due)


def _poll(site: Site, approvals: Approvals, trigger: Trigger) -> None:
    try:
        sighting = _look(site, trigger)
    except TidemillError as problem:
        _note_failure(site, trigger, str(problem))
        return
    refusal = refusal_of(site, approvals, trigger) if sighting.key is not None else None
    with site.database.write() as connection:
        held = store.trigger_by_id(connection, trigger.namespace_id, trigger.id, lock=True)
        if held is None or not held.is_at_work or (held.spec, held.cursor) != (trigger.spec, trigger.cursor):
            return
        if sighting.key is not None:
            occasion = Occasion(kind=held.spec.kind, key=f"seen:{sighting.key}"[:300], cause=sighting.cause)
            fire_in(connection, site, held, occasion, refusal)
        now = site.clock.now()
        seen = {"cursor": sighting.cursor, "problem": None, "failures": 0}
        store.change_trigger(connection, held, {**seen, "next_at": next_look(held, now, 0), "planned_at": now})


def _look(site: Site, trigger: Trigger) -> Sighting:
    settings = trigger.spec.settings
    try:
        found = source_of(trigger.spec.kind, settings).look(site.home, settings, trigger.cursor)
        size = len(canonical_json([found.cursor, dict(found.cause)]))
    except TidemillError:
        raise
    except Exception as problem:
        raise InvalidInput(f"the source failed: {type(problem).__name__}: {problem}"[:1000]) from problem
    if size > MOST_CURSOR_BYTES:
        raise InvalidInput(f"the source told more than {MOST_CURSOR_BYTES} bytes")
    return found


def _note_failure(site: Site, trigger: Trigger, problem: str) -> None:
    with site.database.write() as connection:
        held = store.trigger_by_id(connection, trigger.namespace_id, trigger.id, lock=True)
        if held is None or held.spec != trigger.spec:
            return
        now, failures = site.clock.now(), held.failures + 1
        told = {"problem": problem[:2000], "failures": failures}
        store.change_trigger(connection, held, {**told, "next_at": next_look(held, now, failures), "planned_at": now})
