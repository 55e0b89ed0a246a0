"""Rollouts are written with a signature, an event and a line of the audit chain, and read with their proof."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.canonical import digest_json
from tidemill.base.errors import Conflict, Forbidden
from tidemill.base.signing import SigningKey, public_key, sign, statement, verified_statement
from tidemill.base.site import Site
from tidemill.gate.model import Happening
from tidemill.gate.record import record
from tidemill.serving.model import Service
from tidemill.serving.rollout import store
from tidemill.serving.rollout.model import Rollout, RolloutState
from tidemill.serving.source import NotProven

KINDS = {
    RolloutState.STARTED: "rollout.started",
    RolloutState.STEPPING: "rollout.stepped",
    RolloutState.HOLDING: "rollout.held",
    RolloutState.PROMOTED: "rollout.promoted",
    RolloutState.ROLLED_BACK: "rollout.rolled_back",
    RolloutState.SUPERSEDED: "rollout.superseded",
}
"""The event of each state."""


def write_rollout(
    connection: Connection, site: Site, key: SigningKey, service: Service, rollout: Rollout, kind: str
) -> None:
    """Write a rollout as it is now, signed, and record it as `kind`, in the caller's transaction; `Conflict`."""
    envelope = sign(key, _statement(rollout))
    if rollout.generation == 1:
        store.insert_rollout(connection, rollout, envelope)
    elif not store.update_rollout(connection, rollout, envelope):
        raise Conflict("the rollout changed meanwhile", remedy="look again: tidemill service show")
    actor = Actor(person=rollout.changed_by, namespace_id=rollout.namespace_id, roles=frozenset())
    told = rollout.told(service.name, service.spec.environment)
    record(connection, site, key, actor, Happening(kind, service.id, told))


def proven_rollout(site: Site, service: Service, pointer_generation: int) -> Rollout | None:
    """The rollout that began with a move of the live pointer, None when there was none; `NotProven`."""
    with site.database.read() as connection:
        found = store.rollout_of(connection, service.namespace_id, service.id, pointer_generation)
    return None if found is None else _proven(site, service, *found)


def active_rollouts(site: Site, service: Service) -> list[Rollout]:
    """The rollouts of a service that are under way; `NotProven`."""
    with site.database.read() as connection:
        found = store.rollouts_of(connection, service.namespace_id, service.id, active=True)
    return [_proven(site, service, *each) for each in found]


def _proven(site: Site, service: Service, rollout: Rollout, envelope: Any) -> Rollout:
    place = f"rollout of revision {rollout.revision} of {service.name}"
    remedy = "somebody changed the database: restore it from a backup, or roll back to a version by name"
    try:
        signed = verified_statement(public_key(site.home), envelope, place=place)
    except Forbidden as problem:
        raise NotProven(problem.message, place=place, remedy=remedy) from problem
    if signed != _statement(rollout):
        raise NotProven("it is not what the controller or a person made it", place=place, remedy=remedy)
    return rollout


def _statement(rollout: Rollout) -> dict[str, Any]:
    """All that decides who gets which share; the figures are evidence and not part of it."""
    predicate = {
        "namespace_id": rollout.namespace_id,
        "service_id": rollout.service_id,
        "pointer_generation": rollout.pointer_generation,
        "model_version_id": rollout.model_version_id,
        "revision_id": rollout.revision_id,
        "from_version_id": rollout.from_version_id,
        "from_revision_id": rollout.from_revision_id,
        "plan": rollout.plan.to_json(),
        "state": rollout.state.value,
        "percent": rollout.percent,
        "paused": rollout.paused,
        "reason": rollout.reason,
        "changed_by": rollout.changed_by,
        "generation": rollout.generation,
    }
    return statement(
        subject=f"rollout {rollout.id}", digest=digest_json(predicate), kind="rollout", predicate=predicate
    )
