"""Taking a model version out of use."""

from __future__ import annotations

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict
from tidemill.base.events import append_event
from tidemill.base.repeats import was_done
from tidemill.base.site import Site
from tidemill.registry import store
from tidemill.registry.find import get_version, read_version
from tidemill.registry.model import ModelVersion, VersionState, check_version_transition


def retire_version(site: Site, actor: Actor, reference: str) -> ModelVersion:
    """Retire a version: it stays for lineage and may not be reviewed or go live again.

    Raises `Conflict` while a service answers with it, or when it is retired already.
    """
    actor.demand(Permission.OPERATE)
    found = get_version(site, actor, reference)
    if was_done("model_version.retired", found.id):
        return found
    with site.database.write() as connection:
        version = read_version(connection, actor.namespace_id, found.id)
        check_version_transition(version.state, VersionState.RETIRED)
        for pointer in store.pointers_of(connection, actor.namespace_id):
            if version.id == pointer.model_version_id:
                raise Conflict(
                    f"{version.label} is live as {pointer.service} in {pointer.environment}",
                    remedy="let another version go live first",
                )
        if not store.set_version_state(connection, version, VersionState.RETIRED):
            raise Conflict(f"{version.label} changed meanwhile", remedy="try again")
        append_event(
            connection,
            site.clock,
            namespace_id=actor.namespace_id,
            kind="model_version.retired",
            subject_id=version.id,
            data={"label": version.label},
            created_by=actor.person,
        )
    return get_version(site, actor, version.id)
