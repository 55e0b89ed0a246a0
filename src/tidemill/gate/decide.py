"""Passing a review: once all that the policy asks for is there, decide and move the pointer in one transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.errors import Conflict
from tidemill.base.signing import SigningKey, sign
from tidemill.base.site import Site
from tidemill.gate import store
from tidemill.gate.approved_pipeline import settle_pipeline
from tidemill.gate.audit import POINTER_MOVED, POINTER_TAMPERED
from tidemill.gate.find import review_in
from tidemill.gate.model import Automatic, CheckState, Closing, Happening, Review, ReviewState, check_review_transition
from tidemill.gate.record import record
from tidemill.gate.statements import decision_statement, move_statement
from tidemill.gate.verify import (
    last_generation,
    prove_review,
    reviewed_version,
    tampering_of,
)
from tidemill.registry import LivePointer, ModelVersion, MoveKind
from tidemill.registry.pointer import Move, locked_pointer, move_pointer


def decide_if_passed(
    connection: Connection,
    site: Site,
    key: SigningKey,
    actor: Actor,
    review_id: str,
    automatic: Automatic | None = None,
) -> bool:
    """Approve an open review that has its checks, and its approvals or what the site said; False when it has not.

    A model version goes live, and its pipeline version, or the one that was asked for alone, is the approved one. In
    the caller's transaction. Raises `Forbidden` when a row of the review is not what was signed.
    """
    review = review_in(connection, actor.namespace_id, review_id, lock=True)
    if automatic is not None:
        review = replace(review, automatic=automatic)
    by_itself = automatic is not None and automatic.passed
    enough = by_itself or len(review.approvals) >= review.policy.approvals
    if review.state is not ReviewState.OPEN or review.checks_state is not CheckState.PASSED or not enough:
        return False
    locked_pointer(connection, actor.namespace_id, review.environment, review.service)
    version = reviewed_version(connection, review)
    approvers = prove_review(key.public, review, version)
    check_review_transition(review.state, ReviewState.APPROVED)
    now = site.clock.now()
    decision = sign(key, decision_statement(review, version, approvers, now))
    closing = Closing(state=ReviewState.APPROVED, by=actor.person, at=now, decision=decision, automatic=automatic)
    if not store.close_review(connection, review, closing):
        raise Conflict("the review changed meanwhile", remedy="look at it again: tidemill review show")
    data = {
        "model_version": review.version_label,
        "package_digest": review.package_digest,
        "approvers": approvers,
        "automatic": None if automatic is None else automatic.to_json(),
    }
    record(connection, site, key, actor, Happening("review.approved", review.id, data))
    if not by_itself:
        settle_pipeline(connection, site, key, actor, review)
    if version is not None:
        _promote(connection, site, key, actor, review, version)
    return True


def _promote(
    connection: Connection, site: Site, key: SigningKey, actor: Actor, review: Review, version: ModelVersion
) -> None:
    move = Move(
        environment=review.environment,
        service=review.service,
        model_version_id=version.id,
        review_id=review.id,
        kind=MoveKind.PROMOTED,
        moved_by=actor.person,
    )
    move_signed(connection, site, key, actor, move, version)


def move_signed(
    connection: Connection, site: Site, key: SigningKey, actor: Actor, move: Move, version: ModelVersion
) -> LivePointer:
    """Move the pointer, sign where it stands now, and record it; all in the caller's transaction.

    A pointer that does not stand where the gate left it is set right so, and that it was found is recorded, too.
    """
    where = (move.environment, move.service)
    tampering = tampering_of(connection, key.public, actor.namespace_id, *where)
    if tampering is not None:
        found = {"environment": move.environment, "service": move.service, "message": tampering.message}
        record(connection, site, key, actor, Happening(POINTER_TAMPERED, move.service, found))
        known = last_generation(connection, key.public, actor.namespace_id, *where)
        move = replace(move, after_generation=known)
    pointer = move_pointer(connection, site, actor.namespace_id, move)
    now: datetime = pointer.moved_at
    signed = move_statement(
        version.id,
        version.package_digest,
        where=(actor.namespace_id, *where),
        generation=pointer.generation,
        kind=move.kind,
        review_id=move.review_id,
    )
    moved = (*where, pointer.generation)
    store.insert_signed_move(connection, actor.namespace_id, moved, sign(key, signed), by=actor.person, now=now)
    data = {
        "environment": move.environment,
        "service": move.service,
        "move": move.kind.value,
        "model_version": version.label,
        "model_version_id": version.id,
        "package_digest": version.package_digest,
        "generation": pointer.generation,
        "review_id": move.review_id,
    }
    record(connection, site, key, actor, Happening(POINTER_MOVED, version.id, data))
    return pointer
