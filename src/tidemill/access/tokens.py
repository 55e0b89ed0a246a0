"""API tokens: made once, stored as hashes, revocable; and the local owner's own."""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import unicodedata
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from tidemill.access import store
from tidemill.access.model import AUTOMATIC, Actor, Permission, Role, Token
from tidemill.access.namespaces import DEFAULT_NAMESPACE, ensure_namespace, find_namespace
from tidemill.base.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from tidemill.base.site import Site

_PREFIX = "tm_"


def create_token(
    site: Site,
    actor: Actor,
    *,
    person: str,
    roles: frozenset[Role],
    valid_for: timedelta | None = None,
    namespace: str | None = None,
) -> tuple[Token, str]:
    """A new token of a person, and its secret, which is shown only here.

    It is for the actor's namespace; who administers the default namespace administers the site, and may name another,
    which is made when it is missing. Raises `Forbidden` for who administers neither, `InvalidInput` for an empty
    person or the site's own name, letters of two alphabets in it, no role, or a name that no namespace can have.
    """
    actor.demand(Permission.ADMINISTER)
    namespace_id = actor.namespace_id if namespace is None else _other_namespace(site, actor, namespace)
    if not person.strip() or len(person) > 128 or not person.isprintable():
        raise InvalidInput("a token needs the name of a person", remedy="--person NAME, up to 128 printable characters")
    if unicodedata.normalize("NFKC", person).strip().casefold() == AUTOMATIC:
        raise InvalidInput(f"{person!r} is what the site calls itself", remedy="choose another name")
    if len(alphabets := _alphabets(person)) > 1:
        raise InvalidInput(
            f"{person!r} mixes {' and '.join(sorted(alphabets))} letters: it reads like another person's name",
            remedy="write the name in one alphabet",
        )
    if not roles:
        raise InvalidInput("a token needs a role", remedy="--role " + "|".join(role.value for role in Role))
    return store_token(site, namespace_id, person, roles, created_by=actor.person, valid_for=valid_for)


def _alphabets(person: str) -> set[str]:
    """Which of the alphabets with letters that look alike a name uses."""
    found = {unicodedata.name(letter, "").partition(" ")[0] for letter in person if letter.isalpha()}
    return found & {"LATIN", "CYRILLIC", "GREEK"}


def _other_namespace(site: Site, actor: Actor, name: str) -> str:
    if actor.namespace_id != find_namespace(site, DEFAULT_NAMESPACE).id:
        raise Forbidden(
            f"{actor.person} does not administer the namespace {name!r}", remedy="ask an owner of the default namespace"
        )
    return ensure_namespace(site, name, created_by=actor.person).id


def authenticate(site: Site, secret: str) -> Actor:
    """Who holds this secret; `Unauthenticated` when nobody does, or when the token has expired or was revoked."""
    with site.database.read() as connection:
        token = store.token_by_secret(connection, _hash(secret))
    if token is None or token.revoked_at is not None:
        raise Unauthenticated("this token is not known here", remedy="tidemill token create, or unset TIDEMILL_TOKEN")
    if token.expires_at is not None and token.expires_at <= site.clock.now():
        raise Unauthenticated(f"this token of {token.person} has expired", remedy="tidemill token create")
    return Actor(person=token.person, namespace_id=token.namespace_id, roles=token.roles, token_id=token.id)


def list_tokens(site: Site, actor: Actor) -> list[Token]:
    """The tokens of the actor's namespace, without their secrets."""
    actor.demand(Permission.ADMINISTER)
    with site.database.read() as connection:
        return store.tokens_of(connection, actor.namespace_id)


def revoke_token(site: Site, actor: Actor, token_id: str) -> None:
    """Make a token worthless at once; `NotFound` when there is none, or it was revoked already."""
    actor.demand(Permission.ADMINISTER)
    with site.database.write() as connection:
        done = store.set_revoked(connection, actor.namespace_id, token_id, site.clock.now())
    if not done:
        raise NotFound(f"there is no valid token {token_id}", remedy="tidemill token list")


def local_token(site: Site) -> str:
    """The secret of the person who owns the home, made at the first use and kept in `keys/local-token` (0600)."""
    path = site.home.local_token
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    person = _local_person()
    namespace = ensure_namespace(site, DEFAULT_NAMESPACE, created_by=person)
    _, secret = store_token(site, namespace.id, person, frozenset({Role.OWNER}), created_by=person, valid_for=None)
    return _keep_first(path, secret)


def _keep_first(path: Path, secret: str) -> str:
    """Write the secret unless another process was first; whichever stands there is the answer."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        return path.read_text().strip()
    finally:
        temporary.unlink()
    return secret


def store_token(
    site: Site, namespace_id: str, person: str, roles: frozenset[Role], *, created_by: str, valid_for: timedelta | None
) -> tuple[Token, str]:
    """Add a token, without asking who may; its noun and its secret."""
    now = site.clock.now()
    token = Token(
        id=site.ids.new(),
        namespace_id=namespace_id,
        person=person,
        roles=roles,
        created_at=now,
        created_by=created_by,
        expires_at=None if valid_for is None else now + valid_for,
        revoked_at=None,
    )
    with site.database.write() as connection:
        return token, keep_token(connection, token)


def keep_token(connection: Connection, token: Token) -> str:
    """Add a token in the caller's transaction; its secret."""
    secret = _PREFIX + secrets.token_urlsafe(32)
    store.insert_token(connection, token, _hash(secret))
    return secret


def _hash(secret: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess
    return hashlib.sha256(secret.encode()).hexdigest()


def _local_person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
