"""The verbs rollback and bring_back: a service goes to a version that was approved for it before."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, Forbidden, NotFound
from tidemill.base.repeats import subject_done
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.gate.audit import POINTER_MOVED
from tidemill.gate.decide import move_signed
from tidemill.gate.record import record_refusal
from tidemill.gate.verify import approved_in, tampering_of
from tidemill.registry import LivePointer, MoveKind, VersionState, get_version
from tidemill.registry.find import read_version
from tidemill.registry.pointer import Move, locked_pointer


def rollback(
    site: Site,
    actor: Actor,
    *,
    environment: str,
    service: str,
    to: str | None = None,
    generation: int | None = None,
) -> LivePointer:
    """Move the live pointer back, to what was live before or to the version `to` (an id or `model@number`).

    The target's approval for this service is proven again first. When the pointer does not prove, what the rows call
    the version before is not believed: only a version that is named goes live, and the tampering is recorded. Raises
    `Forbidden` without the right to operate, when the target is not approved or nobody can say which it is, `NotFound`
    when nothing is live, `Conflict` when there is nothing to go back to, or `generation` is the pointer's no more.
    """
    back = _Back(environment=environment, service=service, kind=MoveKind.ROLLED_BACK, generation=generation)
    return _moved(site, actor, back, to)


def bring_back(site: Site, actor: Actor, *, environment: str, service: str, to: str) -> LivePointer:
    """Move the live pointer once more to a version that was taken back; it comes as an approved one comes, by steps.

    Proven and refused as `rollback`.
    """
    return _moved(site, actor, _Back(environment=environment, service=service, kind=MoveKind.PROMOTED), to)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Back:
    environment: str
    service: str
    kind: MoveKind
    generation: int | None = None


def _moved(site: Site, actor: Actor, back: _Back, to: str | None) -> LivePointer:
    wanted = None if to is None else get_version(site, actor, to).id
    try:
        actor.demand(Permission.OPERATE)
        return _move_back(site, actor, back, wanted)
    except (Forbidden, Conflict) as problem:
        record_refusal(site, actor, "rollback.refused", back.service, problem)
        raise


def _move_back(site: Site, actor: Actor, back: _Back, wanted: str | None) -> LivePointer:
    key = signing_key(site.home)
    environment, service = back.environment, back.service
    with site.database.write() as connection:
        pointer = locked_pointer(connection, actor.namespace_id, environment, service)
        tampering = tampering_of(connection, key.public, actor.namespace_id, environment, service)
        if tampering is not None and wanted is None:
            raise Forbidden(
                f"nobody can say what was live before, the pointer does not prove: {tampering.message}",
                place=tampering.place,
                remedy="restore the database from a backup, or name an approved version: --to MODEL@NUMBER",
            )
        if pointer is None and tampering is None:
            raise NotFound(
                f"nothing is live as {service} in {environment}", remedy="tidemill review open asks for a first version"
            )
        if pointer is not None and subject_done(POINTER_MOVED) is not None:
            return pointer
        if back.generation is not None and (pointer is None or pointer.generation != back.generation):
            raise Conflict("the live pointer moved meanwhile", remedy="look again: tidemill service show")
        target = wanted or (None if pointer is None else pointer.previous_version_id)
        if target is None:
            raise Conflict(
                f"{service} in {environment} had no version before this one",
                remedy="name one: --to MODEL@NUMBER",
            )
        version = read_version(connection, actor.namespace_id, target)
        if version.state is not VersionState.READY:
            raise Conflict(f"{version.label} is {version.state}", remedy="name another: --to MODEL@NUMBER")
        approved = approved_in(connection, key.public, version, environment=environment, service=service)
        move = Move(
            environment=environment,
            service=service,
            model_version_id=version.id,
            review_id=approved.review_id,
            kind=back.kind,
            moved_by=actor.person,
        )
        return move_signed(connection, site, key, actor, move, version)
