"""Finding models and their versions."""

from __future__ import annotations

import re

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import InvalidInput, NotFound
from tidemill.base.site import Site
from tidemill.registry import store
from tidemill.registry.model import Model, ModelVersion

_LABEL = re.compile(r"(?P<model>[^@]+)@(?P<number>[1-9][0-9]{0,8})")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def get_version(site: Site, actor: Actor, reference: str) -> ModelVersion:
    """The version of an id, of `model@number`, or the newest one of a model's name.

    Raises `NotFound`, or `InvalidInput` when the reference is none of these.
    """
    actor.demand(Permission.READ)
    return version_in(site, actor.namespace_id, reference)


def version_in(site: Site, namespace_id: str, reference: str) -> ModelVersion:
    """`get_version` for a part of the site that acts for nobody."""
    label = _LABEL.fullmatch(reference)
    with site.database.read() as connection:
        if _UUID.fullmatch(reference):
            found = store.version_by_id(connection, namespace_id, reference)
        elif label is not None:
            found = store.version_by_number(connection, namespace_id, label["model"], int(label["number"]))
        elif reference and "@" not in reference:
            newest = store.versions_of(connection, namespace_id, reference, before=None, limit=1)
            found = newest[0] if newest else None
        else:
            raise InvalidInput(f"{reference!r} names no model version", remedy="write MODEL@NUMBER, such as fuel@3")
    if found is None:
        raise NotFound(f"there is no model version {reference}", remedy="tidemill model list")
    return found


def list_models(site: Site, actor: Actor, *, after: str = "", limit: int = 100) -> list[Model]:
    """Models by name, at most `limit`, those after the name `after`."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        return store.models_of(connection, actor.namespace_id, after=after, limit=limit)


def list_versions(
    site: Site, actor: Actor, model: str, *, before: int | None = None, limit: int = 100
) -> list[ModelVersion]:
    """Versions of a model, newest first, at most `limit`; `NotFound` for an unknown model."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        if store.model_by_name(connection, actor.namespace_id, model) is None:
            raise NotFound(f"there is no model {model!r}", remedy="tidemill model list")
        return store.versions_of(connection, actor.namespace_id, model, before=before, limit=limit)


def read_version(connection: Connection, namespace_id: str, version_id: str) -> ModelVersion:
    """The version of that id, held until the caller's transaction ends; `NotFound`."""
    found = store.version_by_id(connection, namespace_id, version_id, lock=True)
    if found is None:
        raise NotFound(f"there is no model version {version_id}", remedy="tidemill model list")
    return found
