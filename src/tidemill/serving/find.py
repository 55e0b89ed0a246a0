"""Finding services and revisions."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.serving import store
from tidemill.serving.model import Revision, Service


def get_service(site: Site, actor: Actor, name: str) -> Service:
    """The service of that name; `NotFound` when there is none."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        found = store.service_by_name(connection, actor.namespace_id, name)
    if found is None:
        raise NotFound(f"there is no service {name!r}", remedy="tidemill service list")
    return found


def service_in(connection: Connection, namespace_id: str, name: str) -> Service | None:
    """The service of that name in the caller's transaction, None when there is none."""
    return store.service_by_name(connection, namespace_id, name)


def every_service(site: Site) -> list[Service]:
    """The services of all namespaces; for the parts that look after the whole site."""
    with site.database.read() as connection:
        return [
            service
            for namespace_id in store.namespaces_with_services(connection)
            for service in store.services_of(connection, namespace_id, after="", limit=100_000)
        ]


def list_services(site: Site, actor: Actor, *, after: str = "", limit: int = 100) -> list[Service]:
    """Services by name, at most `limit`, those after the name `after`."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        return store.services_of(connection, actor.namespace_id, after=after, limit=limit)


def list_revisions(site: Site, actor: Actor, service: Service) -> list[Revision]:
    """The revisions of a service, newest first."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        return store.revisions_of(connection, actor.namespace_id, service.id)


def revisions_in_service(connection: Connection, service: Service) -> list[Revision]:
    """The revisions of a service, newest first, in the caller's transaction."""
    return store.revisions_of(connection, service.namespace_id, service.id)


def get_revision(site: Site, actor: Actor, revision_id: str) -> Revision:
    """The revision that a prediction names; `NotFound` when there is none."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        found = store.revision_by_id(connection, actor.namespace_id, revision_id)
    if found is None:
        raise NotFound(f"there is no revision {revision_id}")
    return found
