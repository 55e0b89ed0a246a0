"""The nouns of access."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tidemill.base.errors import Forbidden


class Role(StrEnum):
    """What a person is in a namespace. Roles are not ranks: an approver does not run, an owner does not approve."""

    OWNER = "owner"  # may do everything but approve
    CONTRIBUTOR = "contributor"  # runs pipelines, opens reviews, deploys services
    APPROVER = "approver"  # reads everything, decides reviews
    VIEWER = "viewer"  # reads
    STEP = "step"  # a running step: reads, logs, starts runs; never decides
    TRIGGER = "trigger"  # a program elsewhere: fires triggers, and nothing else


AUTOMATIC = "automatic"
"""Who is said to have done what the site did by itself; no person can have this name."""


class Permission(StrEnum):
    """What a route or verb asks for."""

    READ = "read"
    WRITE = "write"
    FIRE = "fire"  # ask a declared trigger to fire
    APPROVE = "approve"
    OPERATE = "operate"  # roll back, move traffic
    ADMINISTER = "administer"  # tokens, people, settings, backup


GRANTS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(
        {Permission.READ, Permission.WRITE, Permission.FIRE, Permission.OPERATE, Permission.ADMINISTER}
    ),
    Role.CONTRIBUTOR: frozenset({Permission.READ, Permission.WRITE, Permission.FIRE, Permission.OPERATE}),
    Role.APPROVER: frozenset({Permission.READ, Permission.APPROVE, Permission.OPERATE}),
    Role.VIEWER: frozenset({Permission.READ}),
    Role.STEP: frozenset({Permission.READ, Permission.WRITE}),
    Role.TRIGGER: frozenset({Permission.FIRE}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A team's space."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks, in which namespace, in which roles; every verb takes one.

    `token_id` is the token that was shown, "" for a part of the site that asks for a person.
    """

    person: str
    namespace_id: str
    roles: frozenset[Role]
    token_id: str = field(default="", compare=False)

    def may(self, permission: Permission) -> bool:
        """True when one of the roles grants it."""
        return any(permission in GRANTS[role] for role in self.roles)

    def demand(self, permission: Permission) -> None:
        """Raise `Forbidden` unless one of the roles grants it."""
        if not self.may(permission):
            granting = " or ".join(role.value for role in Role if permission in GRANTS[role] and role is not Role.STEP)
            raise Forbidden(
                f"{self.person} may not {permission.value} here",
                remedy=f"ask somebody with the role {granting}, or use a token of such a role",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An API token; its secret is shown once and stored only as a hash.

    That of a browser's session names the token that it was made with, and is worth nothing without it.
    """

    id: str
    namespace_id: str
    person: str
    roles: frozenset[Role]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    session_of: str | None = None
