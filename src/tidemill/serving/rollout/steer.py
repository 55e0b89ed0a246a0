"""The verbs promote, pause, resume and roll_back: people move a rollout; its driver does the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, InvalidInput, TidemillError
from tidemill.base.repeats import subject_done
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.gate.record import record_refusal
from tidemill.gate.rollback import bring_back, rollback
from tidemill.registry import LivePointer, live_pointer
from tidemill.serving.find import get_service
from tidemill.serving.model import Service
from tidemill.serving.rollout.find import list_rollouts
from tidemill.serving.rollout.model import Rollout, RolloutState, check_rollout_transition
from tidemill.serving.rollout.plan import EVERYTHING
from tidemill.serving.rollout.record import active_rollouts, write_rollout

PAUSED, RESUMED = "rollout.paused", "rollout.resumed"


def promote(site: Site, actor: Actor, name: str, *, to: int | None = None) -> Rollout | None:
    """Give the new revision its next share now, or the share `to` in percent; a pause ends with it.

    When its rollout was rolled back, the version comes again, by steps, and the result is None. Raises `Forbidden`
    without the right to operate, `Conflict` when there is nothing to promote, `InvalidInput` for a share out of range.
    """
    service = _operated(site, actor, name)
    if to is not None and not 0 < to <= EVERYTHING:
        raise InvalidInput(f"{to} is no share", place="to", remedy="choose 1 to 100 percent")
    rollouts = list_rollouts(site, actor, service)
    if subject_done("rollout.stepped") is not None or subject_done("pointer.moved") is not None:
        return rollouts[0] if rollouts and rollouts[0].is_active else None
    if rollouts and to is None and _may_come_again(site, actor, service, rollouts[0]):
        bring_back(
            site,
            actor,
            environment=service.spec.environment,
            service=service.name,
            to=rollouts[0].model_version_id,
        )
        return None
    rollout = _active(site, service)
    share = rollout.plan.step_after(rollout.percent) or EVERYTHING if to is None else to
    if rollout.state is RolloutState.STARTED:
        raise Conflict(f"revision {rollout.revision} is still being started", remedy=f"tidemill service show {name}")
    reason = f"{actor.person} promoted it"
    stepping = RolloutState.STEPPING
    return _changed(site, actor, service, rollout, "rollout.stepped", state=stepping, percent=share, reason=reason)


def pause(site: Site, actor: Actor, name: str) -> Rollout:
    """Hold the share as it is until somebody resumes or promotes; the guards watch on. Raises as `promote`."""
    return _set_paused(site, actor, name, True)


def resume(site: Site, actor: Actor, name: str) -> Rollout:
    """Let a paused rollout go on; its step is held anew. Raises as `promote`."""
    return _set_paused(site, actor, name, False)


def roll_back(site: Site, actor: Actor, name: str, *, to: str | None = None) -> LivePointer:
    """Go back to what answered before, or to the version `to`; a rollout under way ends at once.

    What answered before is what the rollout says that led here: a version that never got beyond its share is nothing
    to go back to. Raises as the gate's `rollback`.
    """
    service = get_service(site, actor, name)
    environment = service.spec.environment
    if to is None:
        pointer = live_pointer(site, actor, environment=environment, service=name)
        generation = 0 if pointer is None else pointer.generation
        led = [each for each in list_rollouts(site, actor, service) if each.pointer_generation == generation]
        to = led[0].from_version_id if led and led[0].state is not RolloutState.ROLLED_BACK else None
    return rollback(site, actor, environment=environment, service=name, to=to)


def _set_paused(site: Site, actor: Actor, name: str, paused: bool) -> Rollout:
    service = _operated(site, actor, name)
    rollout = _active(site, service)
    if rollout.paused is paused:
        return rollout
    told = f"{actor.person} {'paused' if paused else 'resumed'} it"
    held_since = rollout.held_since and site.clock.now()
    kind = PAUSED if paused else RESUMED
    return _changed(site, actor, service, rollout, kind, paused=paused, reason=told, held_since=held_since)


def _operated(site: Site, actor: Actor, name: str) -> Service:
    try:
        actor.demand(Permission.OPERATE)
    except TidemillError as problem:
        record_refusal(site, actor, "rollout.refused", name, problem)
        raise
    return get_service(site, actor, name)


def _active(site: Site, service: Service) -> Rollout:
    """The newest that is under way and proven, so that nobody signs what somebody else wrote."""
    for rollout in active_rollouts(site, service):
        return rollout
    raise Conflict(
        f"no rollout of {service.name} is under way", remedy=f"see what answers: tidemill service show {service.name}"
    )


def _may_come_again(site: Site, actor: Actor, service: Service, rollout: Rollout) -> bool:
    """True when nothing came since it was rolled back."""
    pointer = live_pointer(site, actor, environment=service.spec.environment, service=service.name)
    is_last = pointer is not None and pointer.generation == rollout.pointer_generation + 1
    return rollout.state is RolloutState.ROLLED_BACK and is_last


def _changed(site: Site, actor: Actor, service: Service, rollout: Rollout, kind: str, **fields: Any) -> Rollout:
    state = fields.get("state", rollout.state)
    if "state" in fields:
        check_rollout_transition(rollout.state, state)
        fields["paused"] = False
    now, generation = site.clock.now(), rollout.generation + 1
    changed = replace(rollout, **fields, changed_by=actor.person, changed_at=now, generation=generation)
    key = signing_key(site.home)
    with site.database.write() as connection:
        write_rollout(connection, site, key, service, changed, kind)
    return changed
