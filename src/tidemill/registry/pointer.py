"""The live pointer: read by everybody, moved in the gate's transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict
from tidemill.base.site import Site
from tidemill.registry import store
from tidemill.registry.model import LivePointer, MoveKind, PointerMove


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A move to make: which service of which environment gets which version, by whom, by which review.

    `after_generation` is the last one known to have been, when the row that should say so is not believed.
    """

    environment: str
    service: str
    model_version_id: str
    review_id: str
    kind: MoveKind
    moved_by: str
    after_generation: int = 0


def live_pointer(site: Site, actor: Actor, *, environment: str, service: str) -> LivePointer | None:
    """What a service of an environment answers with, or None while nothing was approved for it."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        return store.pointer(connection, actor.namespace_id, environment, service)


def live_pointers(site: Site, namespace_id: str) -> list[LivePointer]:
    """Every live pointer of a namespace, by environment and service; for the parts that reconcile to them."""
    with site.database.read() as connection:
        return store.pointers_of(connection, namespace_id)


def pointer_moves(site: Site, actor: Actor, *, environment: str, service: str) -> list[PointerMove]:
    """Every move of a pointer, oldest first."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        return store.moves_of(connection, actor.namespace_id, environment, service)


def moves_in(connection: Connection, namespace_id: str, environment: str, service: str) -> list[PointerMove]:
    """`pointer_moves` in the caller's transaction."""
    return store.moves_of(connection, namespace_id, environment, service)


def locked_pointer(connection: Connection, namespace_id: str, environment: str, service: str) -> LivePointer | None:
    """The pointer, held until the caller's transaction ends."""
    return store.pointer(connection, namespace_id, environment, service, lock=True)


def move_pointer(connection: Connection, site: Site, namespace_id: str, move: Move) -> LivePointer:
    """Move the pointer in the caller's transaction and keep the move; for the gate only.

    After a promotion `previous_version_id` is what was live before; after a rollback it is what was live before the
    target was first promoted, so that a second rollback goes further back. Raises `Conflict` when the pointer moved
    meanwhile, or already stands there.
    """
    old = store.pointer(connection, namespace_id, move.environment, move.service, lock=True)
    generation = max(0 if old is None else old.generation, move.after_generation)
    if old is not None and old.model_version_id == move.model_version_id and not move.after_generation:
        raise Conflict(
            f"{move.service} in {move.environment} answers with this version already",
            remedy="tidemill service show tells what is live",
        )
    previous = None if old is None else old.model_version_id
    if move.kind is MoveKind.ROLLED_BACK:
        moves = store.moves_of(connection, namespace_id, move.environment, move.service)
        previous = before_promotion(moves, move.model_version_id)
    now = site.clock.now()
    new = LivePointer(
        namespace_id=namespace_id,
        environment=move.environment,
        service=move.service,
        model_version_id=move.model_version_id,
        previous_version_id=previous,
        review_id=move.review_id,
        generation=generation + 1,
        moved_by=move.moved_by,
        moved_at=now,
    )
    if not store.put_pointer(connection, new, old):
        raise Conflict("the live pointer moved meanwhile", remedy="look again, then decide again")
    kept = PointerMove(
        environment=move.environment,
        service=move.service,
        generation=new.generation,
        kind=move.kind,
        from_version_id=None if old is None else old.model_version_id,
        to_version_id=move.model_version_id,
        review_id=move.review_id,
        moved_by=move.moved_by,
        moved_at=now,
    )
    store.insert_move(connection, site.ids.new(), namespace_id, kept)
    return new


def before_promotion(moves: list[PointerMove], version_id: str) -> str | None:
    """What was live before a version was first promoted, or None."""
    for move in moves:
        if move.kind is MoveKind.PROMOTED and move.to_version_id == version_id:
            return move.from_version_id
    return None


def live_pointer_in(connection: Connection, namespace_id: str, environment: str, service: str) -> LivePointer | None:
    """`live_pointer` in the caller's transaction."""
    return store.pointer(connection, namespace_id, environment, service)
