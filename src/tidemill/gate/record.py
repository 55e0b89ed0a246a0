"""Recording what happened at the gate: an event and a line of the audit chain, in one transaction with it."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.errors import TidemillError
from tidemill.base.events import append_event
from tidemill.base.signing import SigningKey, signing_key
from tidemill.base.site import Site
from tidemill.gate.audit import append_audit
from tidemill.gate.model import Happening


def record(connection: Connection, site: Site, key: SigningKey, actor: Actor, happening: Happening) -> None:
    """Write the event and the audit line of something that is being done in the caller's transaction."""
    append_event(
        connection,
        site.clock,
        namespace_id=actor.namespace_id,
        kind=happening.kind,
        subject_id=happening.subject_id,
        data=happening.data,
        created_by=actor.person,
    )
    append_audit(connection, site, key, actor, happening)


def record_refusal(site: Site, actor: Actor, kind: str, subject_id: str, problem: TidemillError) -> None:
    """Write down that somebody tried what is not allowed; the caller raises `problem` afterwards."""
    key = signing_key(site.home)
    data = {"error": problem.code, "message": problem.message}
    with site.database.write() as connection:
        record(connection, site, key, actor, Happening(kind, subject_id[:64], data))
