"""Finding applied projects and their generations."""

from __future__ import annotations

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.project import store
from tidemill.project.model import AppliedProject, Generation


def get_applied(site: Site, actor: Actor, name: str, number: int | None = None) -> AppliedProject:
    """A generation of the project of that name, the newest one when no number is given; `NotFound`."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        found = store.applied_project(connection, actor.namespace_id, name, number)
    if found is None:
        what = f"the project {name!r}" if number is None else f"a generation {number} of the project {name!r}"
        raise NotFound(f"{what} was never applied", remedy="tidemill project list")
    return found


def list_applied(site: Site, actor: Actor, *, after: str = "", limit: int = 100) -> list[Generation]:
    """The newest generation of each project, by name, at most `limit`, those after the name `after`."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        found = store.newest_of_each(connection, actor.namespace_id, after=after, limit=limit)
    return [each.generation for each in found]


def list_generations(
    site: Site, actor: Actor, name: str, *, before: int | None = None, limit: int = 100
) -> list[Generation]:
    """The generations of a project, newest first, at most `limit`, those before a number; none when never applied."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        return store.generations_of(connection, actor.namespace_id, name, before=before, limit=limit)
