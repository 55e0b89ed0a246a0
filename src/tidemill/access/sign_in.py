"""Signing a browser in: a one-time code becomes a session, which is a token of the same person that soon ends."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from tidemill.access import store
from tidemill.access.model import Actor, Token
from tidemill.access.tokens import keep_token
from tidemill.base.errors import Unauthenticated
from tidemill.base.site import Site

CODE_LASTS = timedelta(minutes=10)
SESSION_LASTS = timedelta(hours=12)


def make_sign_in_code(site: Site, actor: Actor) -> str:
    """A code that signs one browser in as the actor, once, within `CODE_LASTS`."""
    code = secrets.token_urlsafe(24)
    now = site.clock.now()
    with site.database.write() as connection:
        store.insert_code(
            connection, store.SignInCode(code_sha256=_hash(code), actor=actor, expires_at=now + CODE_LASTS), now=now
        )
    return code


def redeem_sign_in_code(site: Site, code: str) -> tuple[Token, str]:
    """A session of the person who made the code, and its secret; `Unauthenticated` for a code that is not good.

    A session ends with the token that the code was asked for with, at the latest, and is revoked with it.
    """
    now = site.clock.now()
    with site.database.write() as connection:
        actor = store.take_code(connection, _hash(code), now=now)
        shown = None if actor is None else store.token_by_id(connection, actor.namespace_id, actor.token_id)
        if actor is not None and shown is not None and _is_valid(shown, now):
            session = _session(site, actor, shown, now)
            return session, keep_token(connection, session)
    raise Unauthenticated(
        "this link was used before, or is too old", remedy="tidemill service page NAME prints a new one"
    )


def _is_valid(token: Token, now: datetime) -> bool:
    return token.revoked_at is None and (token.expires_at is None or token.expires_at > now)


def _session(site: Site, actor: Actor, shown: Token, now: datetime) -> Token:
    """A session that was made with a session stands for the same token, and does not last longer."""
    ends = now + SESSION_LASTS
    return Token(
        id=site.ids.new(),
        namespace_id=actor.namespace_id,
        person=actor.person,
        roles=actor.roles,
        created_at=now,
        created_by=actor.person,
        expires_at=ends if shown.expires_at is None else min(ends, shown.expires_at),
        revoked_at=None,
        session_of=shown.session_of or shown.id,
    )


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
