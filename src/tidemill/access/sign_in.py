"""Signing a browser in: a one-time code becomes a session, which is a token of the same person that soon ends."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from tidemill.access import store
from tidemill.access.model import Actor, Token
from tidemill.access.tokens import store_token
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
    """A session of the person who made the code, and its secret; `Unauthenticated` for a code that is not good."""
    now = site.clock.now()
    with site.database.write() as connection:
        actor = store.take_code(connection, _hash(code), now=now)
    if actor is None:
        raise Unauthenticated(
            "this link was used before, or is too old", remedy="tidemill service page NAME prints a new one"
        )
    return store_token(
        site, actor.namespace_id, actor.person, actor.roles, created_by=actor.person, valid_for=SESSION_LASTS
    )


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
