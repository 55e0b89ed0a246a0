"""The sections `[gate]` and `[environments]`: the policies that bind the reviews of the project's service."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.gate.bound import bind_policies
from tidemill.gate.policy import BoundPolicy
from tidemill.project.live import LiveSection, Target
from tidemill.project.model import Project
from tidemill.project.requests import policy_of


class GateSection:
    """Only an apply writes a binding policy, so that nothing of it can have changed on the site since."""

    def read(self, connection: Connection, namespace_id: str, project: Project) -> LiveSection | None:
        """Nothing that the applied document does not say already."""
        return None

    def write(self, connection: Connection, site: Site, actor: Actor, target: Target) -> None:
        """Bind a policy in each environment that the file names; those of a service that it names no more go."""
        before, after = target.before, target.after
        bound: dict[str, BoundPolicy] = {}
        if after.service is not None:
            for name in sorted({after.service.environment, *after.environments}):
                bound[name] = BoundPolicy(policy=policy_of(after, name), source=target.source, project=after.name)
            bind_policies(connection, site, target.key, actor, after.service.name, bound)
        if before is not None and before.service is not None:
            name = before.service.name
            if after.service is None or after.service.name != name:
                bind_policies(connection, site, target.key, actor, name, {})
