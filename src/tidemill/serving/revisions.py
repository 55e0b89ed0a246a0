"""The rows of revisions as the reconciler writes them, each change in a transaction of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from tidemill.base.errors import Unavailable
from tidemill.base.events import append_event
from tidemill.base.site import Site
from tidemill.serving import store
from tidemill.serving.model import Reason, Revision, RevisionState, Service, check_revision_transition
from tidemill.serving.source import SYSTEM, Wanted

RUNNING = (RevisionState.STARTING, RevisionState.LIVE, RevisionState.CANARY, RevisionState.STANDBY)
ROUTED = (RevisionState.LIVE, RevisionState.CANARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Who answers a service: `stable` all, or all but the `percent` of a `canary`; by ids of revisions."""

    stable: str
    canary: str | None = None
    percent: int = 0
    sticky_header: str = ""

    @property
    def revisions(self) -> tuple[str, ...]:
        """Those that get requests."""
        return (self.stable,) if self.canary is None else (self.canary, self.stable)


def revisions_of(site: Site, service: Service) -> list[Revision]:
    """The revisions of a service, newest first."""
    with site.database.read() as connection:
        return store.revisions_of(connection, service.namespace_id, service.id)


def find_revision(site: Site, revision_id: str) -> Revision | None:
    """A revision of any namespace that has services."""
    with site.database.read() as connection:
        for namespace_id in store.namespaces_with_services(connection):
            found = store.revision_by_id(connection, namespace_id, revision_id)
            if found is not None:
                return found
    return None


def revision_for(site: Site, service: Service, wanted: Wanted) -> Revision:
    """The service's revision of the wanted version, made when it is its first time."""
    now = site.clock.now()
    with site.database.write() as connection:
        for known in store.revisions_of(connection, service.namespace_id, service.id):
            if known.model_version_id == wanted.model_version_id:
                return known
        revision = Revision(
            id=site.ids.new(),
            namespace_id=service.namespace_id,
            service_id=service.id,
            number=store.next_number(connection, service.namespace_id, service.id),
            model_version_id=wanted.model_version_id,
            model_label=wanted.label,
            state=RevisionState.STARTING,
            message="",
            created_by=wanted.moved_by,
            created_at=now,
            changed_at=now,
            generation=1,
        )
        store.insert_revision(connection, revision)
    return revision


def change_revision(site: Site, revision: Revision, state: RevisionState, message: str) -> Revision:
    """The revision in its next state; `Unavailable` when somebody else changed it meanwhile."""
    check_revision_transition(revision.state, state)
    with site.database.write() as connection:
        if not store.set_state(connection, revision, state, message, site.clock.now()):
            raise Unavailable(f"revision {revision.number} changed meanwhile", remedy="it is tried again")
    return replace(revision, state=state, message=message, generation=revision.generation + 1)


def observe(site: Site, service: Service, *, ready: bool, reason: Reason, message: str) -> None:
    """Write on a service what was seen, when it is news."""
    with site.database.read() as connection:
        known = store.service_by_name(connection, service.namespace_id, service.name)
    if known is None or known.id != service.id:
        return
    seen = (known.ready, known.reason, known.message, known.observed_generation)
    if seen != (ready, reason, message, service.generation):
        with site.database.write() as connection:
            store.observe(connection, service, ready=ready, reason=reason, message=message)


def is_recorded(revisions: Sequence[Revision], split: Split) -> bool:
    """Whether the rows say what the gateway does."""
    told = {each.id: each.state for each in revisions if each.state in ROUTED}
    wanted = {split.stable: RevisionState.LIVE}
    if split.canary is not None:
        wanted[split.canary] = RevisionState.CANARY
    return told == wanted


def record_split(site: Site, service: Service, revisions: Sequence[Revision], split: Split, starting: str) -> None:
    """Write who answers now; `starting` is a revision that is on its way and left alone."""
    now = site.clock.now()
    succeeded = any(each.state is RevisionState.LIVE and each.id != split.stable for each in revisions)
    with site.database.write() as connection:
        for each in revisions:
            state = each.state if each.id == starting else _recorded(each, split, succeeded=succeeded)
            if state is each.state:
                continue
            check_revision_transition(each.state, state)
            store.set_state(connection, each, state, "", now)
            if state is RevisionState.LIVE:
                _tell_live(connection, site, service, each)


def _recorded(revision: Revision, split: Split, *, succeeded: bool) -> RevisionState:
    """What becomes of a revision: one that was live stays warm, one that was warm before it does so no more."""
    if revision.id in split.revisions:
        return RevisionState.LIVE if revision.id == split.stable else RevisionState.CANARY
    if revision.state is RevisionState.LIVE:
        return RevisionState.STANDBY
    if revision.state is RevisionState.STANDBY and not succeeded:
        return RevisionState.STANDBY
    return RevisionState.STOPPED if revision.state in RUNNING else revision.state


def _tell_live(connection: Connection, site: Site, service: Service, revision: Revision) -> None:
    append_event(
        connection,
        site.clock,
        namespace_id=service.namespace_id,
        kind="revision.live",
        subject_id=revision.id,
        data={
            "service": service.name,
            "number": revision.number,
            "model_version_id": revision.model_version_id,
        },
        created_by=SYSTEM,
    )
