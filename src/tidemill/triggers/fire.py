"""The verb fire: a trigger fires once for an occasion, or it is recorded why it does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound
from tidemill.base.events import append_event
from tidemill.base.site import Site
from tidemill.triggers import store
from tidemill.triggers.approvals import Approvals, NotApproved, demand_approved
from tidemill.triggers.find import find_trigger
from tidemill.triggers.model import (
    Concurrency,
    Firing,
    FiringState,
    Occasion,
    Trigger,
    TriggerKind,
    check_firing_transition,
)

MAX_KEY_CHARACTERS = 200
CLOCKS_DIFFER = timedelta(minutes=1)
"""A firing that lies further ahead was made while the clock was wrong, and starts no cool-down."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an occasion at once: a state, and why it is not `waiting`."""

    state: FiringState = FiringState.WAITING
    reason: str | None = None
    remedy: str | None = None


def fire(site: Site, actor: Actor, reference: str, approvals: Approvals, *, key: str | None, note: str = "") -> Firing:
    """Fire a trigger because a person or a program asks; the firing of the same key when there was one.

    Any trigger can be asked to fire, whatever its kind. Raises `NotFound`, `Conflict` for a paused trigger, and
    `InvalidInput` for a key or a note that cannot be kept.
    """
    actor.demand(Permission.FIRE)
    for what, text, most in (("key", key or "", MAX_KEY_CHARACTERS), ("note", note, 500)):
        if len(text) > most or not text.isprintable() or (what == "key" and key == ""):
            raise InvalidInput(f"has 1 to {most} printable characters", place=what)
    trigger = find_trigger(site, actor.namespace_id, reference)
    kind = TriggerKind.HTTP if trigger.spec.kind == TriggerKind.HTTP else TriggerKind.PERSON
    cause = {"by": actor.person, **({"note": note} if note else {})}
    occasion = Occasion(kind=kind, key=None if key is None else f"asked:{key}", cause=cause, by=actor.person)
    if not trigger.is_at_work and (key is None or _known(site, trigger, f"asked:{key}") is None):
        told = f"paused by {trigger.paused_by}" if trigger.paused_at is not None else "no longer declared"
        raise Conflict(f"the trigger {trigger.name} is {told}", remedy="tidemill trigger resume, or tidemill apply")
    return fire_for(site, approvals, trigger, occasion)


def fire_for(site: Site, approvals: Approvals, trigger: Trigger, occasion: Occasion) -> Firing:
    """Record the firing of an occasion, whatever becomes of it, in a transaction of its own."""
    refusal = refusal_of(site, approvals, trigger)
    with site.database.write() as connection:
        held = store.trigger_by_id(connection, trigger.namespace_id, trigger.id, lock=True)
        if held is None:
            raise NotFound(f"the trigger {trigger.name} is gone")
        return fire_in(connection, site, held, occasion, refusal)


def refusal_of(site: Site, approvals: Approvals, trigger: Trigger) -> Verdict | None:
    """Why a firing of this trigger could not run now; asked before the transaction, which holds no file."""
    try:
        demand_approved(site, approvals, trigger.namespace_id, trigger.spec.action)
    except (NotApproved, Forbidden) as problem:
        return Verdict(FiringState.REFUSED, problem.message, problem.remedy)
    return None


def fire_in(
    connection: Connection, site: Site, trigger: Trigger, occasion: Occasion, refusal: Verdict | None
) -> Firing:
    """`fire_for` in the caller's transaction, which holds the trigger's row."""
    if occasion.key is not None and (known := store.firing_by_key(connection, trigger, occasion.key)) is not None:
        return known
    verdict = _held_back(connection, site, trigger) or refusal or Verdict()
    firing = _new_firing(site, trigger, occasion, verdict)
    if verdict.state is FiringState.WAITING and trigger.spec.concurrency is Concurrency.REPLACE:
        _replace_others(connection, trigger, firing)
    store.insert_firing(connection, firing)
    if verdict.state is FiringState.WAITING:
        tell_fired(connection, site, firing)
    else:
        tell_ended(connection, site, firing)
    return firing


def record_skipped(connection: Connection, site: Site, trigger: Trigger, occasion: Occasion, reason: str) -> Firing:
    """Record an occasion that came to nothing, with the reason, in the caller's transaction."""
    if occasion.key is not None and (known := store.firing_by_key(connection, trigger, occasion.key)) is not None:
        return known
    firing = _new_firing(site, trigger, occasion, Verdict(FiringState.SKIPPED, reason))
    store.insert_firing(connection, firing)
    tell_ended(connection, site, firing)
    return firing


def _known(site: Site, trigger: Trigger, key: str) -> Firing | None:
    with site.database.read() as connection:
        return store.firing_by_key(connection, trigger, key)


def _held_back(connection: Connection, site: Site, trigger: Trigger) -> Verdict | None:
    """Why a pause, the cool-down or the concurrency policy holds an occasion back."""
    spec = trigger.spec
    if not trigger.is_at_work:
        by = f"paused by {trigger.paused_by}" if trigger.paused_at is not None else "no longer declared"
        return Verdict(FiringState.SKIPPED, f"the trigger is {by}", "tidemill trigger resume")
    until = site.clock.now() + CLOCKS_DIFFER
    if spec.cooldown_seconds and (last := store.last_counted(connection, trigger, until=until)) is not None:
        ends = last.created_at + timedelta(seconds=spec.cooldown_seconds)
        if site.clock.now() < ends:
            return Verdict(FiringState.SKIPPED, f"the cool-down lasts until {ends.isoformat(timespec='seconds')}")
    if spec.concurrency is Concurrency.FORBID and (others := store.open_firings(connection, trigger)):
        return Verdict(FiringState.SKIPPED, f"the firing {others[0].id} goes on, and concurrency is forbid")
    return None


def _replace_others(connection: Connection, trigger: Trigger, newer: Firing) -> None:
    """Let go of what waits or runs; what is judged already goes on."""
    for other in store.open_firings(connection, trigger):
        if other.state not in (FiringState.WAITING, FiringState.RUNNING):
            continue
        check_firing_transition(other.state, FiringState.REPLACING)
        reason = f"the firing {newer.id} took its place"
        changes = {"state": FiringState.REPLACING.value, "reason": reason, "try_again_at": None}
        if not store.change_firing(connection, other, changes):
            raise Conflict("another firing changed meanwhile", remedy="try again")


def _new_firing(site: Site, trigger: Trigger, occasion: Occasion, verdict: Verdict) -> Firing:
    firing_id, now = site.ids.new(), site.clock.now()
    waits = verdict.state is FiringState.WAITING
    return Firing(
        id=firing_id,
        namespace_id=trigger.namespace_id,
        trigger_id=trigger.id,
        trigger=trigger.name,
        project=trigger.project,
        kind=str(occasion.kind),
        key=occasion.key or f"own:{firing_id}",
        cause=dict(occasion.cause),
        action=trigger.spec.action,
        state=verdict.state,
        reason=verdict.reason,
        remedy=verdict.remedy,
        run_id=site.ids.new() if waits else None,
        model_version_id=None,
        model_version=None,
        review_id=None,
        attempts=0,
        try_again_at=None,
        created_by=occasion.by or trigger.created_by,
        created_at=now,
        finished_at=None if waits else now,
        generation=1,
    )


def tell_fired(connection: Connection, site: Site, firing: Firing) -> None:
    """Write the event `trigger.fired`."""
    append_event(
        connection,
        site.clock,
        namespace_id=firing.namespace_id,
        kind="trigger.fired",
        subject_id=firing.trigger_id,
        data={
            "trigger": firing.trigger,
            "project": firing.project,
            "firing": firing.id,
            "kind": firing.kind,
            "cause": firing.cause,
            "run_id": firing.run_id,
        },
        created_by=firing.created_by,
    )


def tell_ended(connection: Connection, site: Site, firing: Firing) -> None:
    """Write the event `firing.ended`."""
    append_event(
        connection,
        site.clock,
        namespace_id=firing.namespace_id,
        kind="firing.ended",
        subject_id=firing.trigger_id,
        data={
            "trigger": firing.trigger,
            "project": firing.project,
            "firing": firing.id,
            "state": firing.state.value,
            "reason": firing.reason,
            "run_id": firing.run_id,
            "model_version": firing.model_version,
            "review_id": firing.review_id,
        },
        created_by=firing.created_by,
    )


def ended(firing: Firing, state: FiringState, reason: str | None = None, remedy: str | None = None) -> Firing:
    """The firing in a final state, for the event; raises `Conflict` for a state that cannot follow."""
    check_firing_transition(firing.state, state)
    return replace(firing, state=state, reason=reason, remedy=remedy)
