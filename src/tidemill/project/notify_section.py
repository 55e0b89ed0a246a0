"""The section `[notify]`: who is told of what concerns the project."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.notify import declare_targets
from tidemill.project.live import LiveSection, Target
from tidemill.project.model import Project
from tidemill.project.requests import notify_plan_of


class NotifySection:
    """Only an apply writes who is told, so that nothing of it can have changed on the site since."""

    def read(self, connection: Connection, namespace_id: str, project: Project) -> LiveSection | None:
        """Nothing that the applied document does not say already."""
        return None

    def write(self, connection: Connection, site: Site, actor: Actor, target: Target) -> None:
        """Tell those whom the file names, and nobody whom it names no more."""
        after = target.after
        service = after.service.name if after.service is not None else ""
        declare_targets(connection, site, actor, (after.name, service), notify_plan_of(after))
