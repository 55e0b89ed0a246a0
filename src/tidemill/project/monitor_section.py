"""The section `[monitor]`: the rules by which the project's service is watched."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.monitoring.rules import bind_rules
from tidemill.project.live import LiveSection, Target
from tidemill.project.model import Project
from tidemill.project.requests import rules_of_project


class MonitorSection:
    """Only an apply writes rules, so that nothing of them can have changed on the site since."""

    def read(self, connection: Connection, namespace_id: str, project: Project) -> LiveSection | None:
        """Nothing that the applied document does not say already."""
        return None

    def write(self, connection: Connection, site: Site, actor: Actor, target: Target) -> None:
        """Watch the service by the file's rules; a service that the file names no more, by the usual ones."""
        before, after = target.before, target.after
        if after.service is not None:
            bind_rules(connection, site, actor, after.service.name, rules_of_project(after))
        if before is not None and before.service is not None:
            name = before.service.name
            if after.service is None or after.service.name != name:
                bind_rules(connection, site, actor, name, None)
