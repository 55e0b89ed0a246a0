"""The verbs bind_policies and binding_policy: the policy that an apply declared holds for every review after it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.signing import SigningKey
from tidemill.base.site import Site
from tidemill.gate.bound import store
from tidemill.gate.model import Happening
from tidemill.gate.policy import UNGATED_ENVIRONMENTS, BoundPolicy, check_policy
from tidemill.gate.record import record


def bind_policies(
    connection: Connection,
    site: Site,
    key: SigningKey,
    actor: Actor,
    service: str,
    policies: Mapping[str, BoundPolicy],
) -> None:
    """Make these, by environment, the policies of a service; one of another environment binds no more.

    In the caller's transaction; each change is a line of the audit chain. Ungated environments take no policy. Raises
    `InvalidInput` for a policy that says nothing sensible there.
    """
    actor.demand(Permission.WRITE)
    wanted = {name: bound for name, bound in policies.items() if name not in UNGATED_ENVIRONMENTS}
    known = store.bound_policies(connection, actor.namespace_id, service)
    for environment, bound in wanted.items():
        check_policy(bound.policy, environment=environment)
        before = known.get(environment)
        if before is not None and before.policy == bound.policy:
            continue
        where = (actor.namespace_id, environment, service)
        store.bind(connection, where, bound, by=actor.person, now=site.clock.now())
        record(connection, site, key, actor, Happening("policy.bound", service, _facts(environment, bound, before)))
    for environment in sorted(known.keys() - wanted.keys()):
        store.release(connection, (actor.namespace_id, environment, service))
        data = {"environment": environment, "policy_digest": known[environment].policy.digest}
        record(connection, site, key, actor, Happening("policy.released", service, data))


def binding_policy(connection: Connection, namespace_id: str, environment: str, service: str) -> BoundPolicy | None:
    """The policy that binds there, None where a review brings its own."""
    return store.bound_policies(connection, namespace_id, service).get(environment)


def _facts(environment: str, bound: BoundPolicy, before: BoundPolicy | None) -> dict[str, str | None]:
    return {
        "environment": environment,
        "policy_digest": bound.policy.digest,
        "previous_policy_digest": before.policy.digest if before is not None else None,
        "source": bound.source,
    }
