"""The moves of a live pointer, by their signatures."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.base.errors import Forbidden
from tidemill.base.signing import public_key, verified_statement
from tidemill.base.site import Site
from tidemill.gate import rows
from tidemill.registry import MoveKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedMove:
    """Where the gate moved a live pointer, and whether forward or back."""

    model_version_id: str
    kind: MoveKind


def signed_move(site: Site, namespace_id: str, *, environment: str, service: str, generation: int) -> SignedMove | None:
    """The move that gave a pointer this generation, None when there is none; `Forbidden` when it does not prove."""
    place = f"move {generation} of the live pointer of {service} in {environment}"
    with site.database.read() as connection:
        envelope = rows.signed_move_of(connection, namespace_id, (environment, service, generation))
    if envelope is None:
        return None
    signed = verified_statement(public_key(site.home), envelope, place=place)
    try:
        told, (subject,) = signed["predicate"], signed["subject"]
        is_it = (told["namespace_id"], told["environment"], told["service"], told["generation"]) == (
            namespace_id,
            environment,
            service,
            generation,
        )
        kind, version = MoveKind(told["move"]), str(subject["name"])
    except (KeyError, TypeError, ValueError) as problem:
        raise Forbidden("the signature is for something else", place=place) from problem
    if signed["predicateType"] != "urn:tidemill:pointer-move:v1" or not is_it:
        raise Forbidden("the signature is for something else", place=place)
    return SignedMove(model_version_id=version, kind=kind)
