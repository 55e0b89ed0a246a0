"""The section `[triggers]`: what fires the project's production runs."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.project.live import LiveSection, Target
from tidemill.project.model import Project
from tidemill.project.requests import triggers_of
from tidemill.triggers import declare_triggers


class TriggerSection:
    """Only an apply writes what a trigger is, so that nothing of it can have changed on the site since; pauses are not
    declared, and stay."""

    def read(self, connection: Connection, namespace_id: str, project: Project) -> LiveSection | None:
        """Nothing that the applied document does not say already."""
        return None

    def write(self, connection: Connection, site: Site, actor: Actor, target: Target) -> None:
        """Make and change the triggers that the file names; those that it names no more are taken out."""
        specs = triggers_of(target.after, file=target.file)
        declare_triggers(connection, site, actor, target.after.name, specs, source=target.source)
