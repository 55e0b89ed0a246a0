"""Finding and making namespaces."""

from __future__ import annotations

import re

from sqlalchemy import Connection

from tidemill.access import store
from tidemill.access.model import Namespace
from tidemill.base.errors import InvalidInput, NotFound
from tidemill.base.site import Site

DEFAULT_NAMESPACE = "default"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def ensure_namespace(site: Site, name: str, *, created_by: str) -> Namespace:
    """The namespace of that name (an RFC 1123 label), made when it is missing."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is not a namespace name", remedy="use up to 63 of: lower-case letters, digits, inner hyphens"
        )
    with site.database.read() as connection:
        known = store.namespace_by_name(connection, name)
    if known is not None:
        return known
    with site.database.write() as connection:
        known = store.namespace_by_name(connection, name)
        if known is None:
            known = Namespace(id=site.ids.new(), name=name)
            store.insert_namespace(connection, known, created_by=created_by, now=site.clock.now())
    return known


def every_namespace(connection: Connection) -> list[Namespace]:
    """All namespaces, in the caller's transaction: for the parts that look after the whole site."""
    return store.every_namespace(connection)


def find_namespace(site: Site, name: str) -> Namespace:
    """The namespace of that name; `NotFound` when there is none."""
    with site.database.read() as connection:
        known = store.namespace_by_name(connection, name)
    if known is None:
        raise NotFound(f"there is no namespace {name!r}")
    return known


def namespace_of(connection: Connection, namespace_id: str) -> Namespace:
    """The namespace of an id, in the caller's transaction; `NotFound` when there is none."""
    known = store.namespace_by_id(connection, namespace_id)
    if known is None:
        raise NotFound(f"there is no namespace with the id {namespace_id}")
    return known
