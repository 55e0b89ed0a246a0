"""The tables of access and their queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    MetaData,
    RowMapping,
    String,
    Table,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from tidemill.access.model import Actor, Namespace, Role, Token
from tidemill.base.database import UtcTime

metadata = MetaData()

# A namespace names itself: its own id stands in namespace_id, so that the rule "every table" has no exception.
namespace_rows = Table(
    "namespace",
    metadata,
    Column("namespace_id", String(36), primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

token_rows = Table(
    "token",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("person", String(128), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("session_of", String(36)),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("secret_sha256", name="token_secret"),
)


sign_in_rows = Table(
    "sign_in_code",
    metadata,
    Column("code_sha256", String(64), primary_key=True),
    Column("namespace_id", String(36), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("token_id", String(36), nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInCode:
    """A code that signs a browser in as the actor, until it expires."""

    code_sha256: str
    actor: Actor
    expires_at: datetime


def insert_code(connection: Connection, code: SignInCode, *, now: datetime) -> None:
    """Add a code, and forget those that have expired."""
    connection.execute(delete(sign_in_rows).where(sign_in_rows.c.expires_at <= now))
    connection.execute(
        insert(sign_in_rows).values(
            code_sha256=code.code_sha256,
            namespace_id=code.actor.namespace_id,
            roles=sorted(role.value for role in code.actor.roles),
            token_id=code.actor.token_id,
            expires_at=code.expires_at,
            created_by=code.actor.person,
            created_at=now,
        )
    )


def take_code(connection: Connection, code_sha256: str, *, now: datetime) -> Actor | None:
    """Whom a code signs in, once: it is gone afterwards. None for one that is not known or has expired."""
    row = connection.execute(select(sign_in_rows).where(sign_in_rows.c.code_sha256 == code_sha256)).one_or_none()
    taken = connection.execute(delete(sign_in_rows).where(sign_in_rows.c.code_sha256 == code_sha256)).rowcount
    if row is None or taken != 1 or row.expires_at <= now:
        return None
    return Actor(
        person=row.created_by,
        namespace_id=row.namespace_id,
        roles=frozenset(Role(role) for role in row.roles),
        token_id=row.token_id,
    )


def insert_namespace(connection: Connection, namespace: Namespace, *, created_by: str, now: datetime) -> None:
    """Add a namespace."""
    connection.execute(
        insert(namespace_rows).values(
            namespace_id=namespace.id, name=namespace.name, created_by=created_by, created_at=now
        )
    )


def namespace_by_name(connection: Connection, name: str) -> Namespace | None:
    """The namespace of that name."""
    row = connection.execute(select(namespace_rows).where(namespace_rows.c.name == name)).one_or_none()
    return None if row is None else Namespace(id=row.namespace_id, name=row.name)


def every_namespace(connection: Connection) -> list[Namespace]:
    """All namespaces by id: for the parts that look after the whole site."""
    found = connection.execute(select(namespace_rows).order_by(namespace_rows.c.namespace_id))
    return [Namespace(id=row.namespace_id, name=row.name) for row in found]


def namespace_by_id(connection: Connection, namespace_id: str) -> Namespace | None:
    """The namespace of that id."""
    row = connection.execute(select(namespace_rows).where(namespace_rows.c.namespace_id == namespace_id)).one_or_none()
    return None if row is None else Namespace(id=row.namespace_id, name=row.name)


def insert_token(connection: Connection, token: Token, secret_sha256: str) -> None:
    """Add a token with the hash of its secret."""
    connection.execute(
        insert(token_rows).values(
            id=token.id,
            namespace_id=token.namespace_id,
            person=token.person,
            roles=sorted(role.value for role in token.roles),
            secret_sha256=secret_sha256,
            expires_at=token.expires_at,
            revoked_at=token.revoked_at,
            session_of=token.session_of,
            created_by=token.created_by,
            created_at=token.created_at,
        )
    )


def token_by_secret(connection: Connection, secret_sha256: str) -> Token | None:
    """The token whose secret has this hash; the one query that cannot name a namespace, since it finds it."""
    row = connection.execute(select(token_rows).where(token_rows.c.secret_sha256 == secret_sha256)).one_or_none()
    return None if row is None else _token(row._mapping)


def token_by_id(connection: Connection, namespace_id: str, token_id: str) -> Token | None:
    """The token of that id."""
    query = select(token_rows).where(token_rows.c.namespace_id == namespace_id, token_rows.c.id == token_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _token(row._mapping)


def tokens_of(connection: Connection, namespace_id: str) -> list[Token]:
    """The tokens of a namespace, oldest first."""
    rows = connection.execute(
        select(token_rows).where(token_rows.c.namespace_id == namespace_id).order_by(token_rows.c.id)
    )
    return [_token(row._mapping) for row in rows]


def set_revoked(connection: Connection, namespace_id: str, token_id: str, now: datetime) -> bool:
    """Revoke a token and the sessions that were made with it; False when it is not valid any more."""
    valid = update(token_rows).where(token_rows.c.namespace_id == namespace_id, token_rows.c.revoked_at.is_(None))
    changed = connection.execute(valid.where(token_rows.c.id == token_id).values(revoked_at=now))
    connection.execute(valid.where(token_rows.c.session_of == token_id).values(revoked_at=now))
    return changed.rowcount == 1


def _token(row: RowMapping) -> Token:
    return Token(
        id=row["id"],
        namespace_id=row["namespace_id"],
        person=row["person"],
        roles=frozenset(Role(role) for role in row["roles"]),
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        session_of=row["session_of"],
    )
