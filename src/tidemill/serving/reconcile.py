"""The verb reconcile: what runs and what the gateway routes is made to agree with the live pointers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from tidemill.base.errors import TidemillError, Unavailable
from tidemill.base.events import append_event
from tidemill.base.leases import LeaseLost
from tidemill.base.site import Site
from tidemill.serving import store
from tidemill.serving.gateway.model import ServiceRoute, Target
from tidemill.serving.host.contract import Launch, PredictorHost, PredictorState
from tidemill.serving.model import Reason, Revision, RevisionState, Service, check_revision_transition
from tidemill.serving.preload import modules_to_preload
from tidemill.serving.smoke import smoke_test
from tidemill.serving.source import ModelSource, Wanted, predictor_environment, revision_folder, revision_socket

LOAD_SECONDS = 180.0
POLL_SECONDS = 0.02
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5.0, 300.0
SYSTEM = "serving"
RUNNING = (RevisionState.STARTING, RevisionState.LIVE, RevisionState.STANDBY)
log = logging.getLogger(__name__)


class Switch(Protocol):
    """The gateway as the reconciler needs it; both raise `Unavailable`, and then nothing has changed."""

    def switch(self, services: Sequence[ServiceRoute]) -> None:
        """Route as told, in one atomic change."""

    def retire(self, clusters: Sequence[str]) -> None:
        """Forget clusters that no route names, once they have answered what they had."""


class Reconciler:
    """Makes services agree with the live pointers; holds no state that is not also in the database or the host."""

    def __init__(
        self,
        site: Site,
        source: ModelSource,
        host: PredictorHost,
        gateway: Switch,
        *,
        log_socket: Path | None = None,
        smoke: Callable[[Path, str, dict[str, Any]], None] = smoke_test,
    ) -> None:
        self._site = site
        self._source = source
        self._host = host
        self._gateway = gateway
        self._log_socket = log_socket
        self._smoke = smoke
        self._switching = threading.Lock()
        self._routed: list[ServiceRoute] | None = None
        self._retries: dict[str, tuple[int, float]] = {}
        self._stopping: set[str] = set()

    def services(self) -> list[Service]:
        """Every service of the site."""
        with self._site.database.read() as connection:
            return [
                service
                for namespace_id in store.namespaces_with_services(connection)
                for service in store.services_of(connection, namespace_id, after="", limit=100_000)
            ]

    def reconcile(self, service: Service) -> None:
        """Bring one service to what is wanted; what cannot be done is written on it, and tried again later.

        Starting a revision takes seconds (minutes, when its venv must be made); a switch to one that runs takes
        milliseconds.
        """
        try:
            wanted = self._source.wanted(service)
            if wanted is None and self._live_revision(service) is not None:
                return  # the pointer is moving now; what was approved before serves on
            if wanted is None:
                self._observe(service, ready=False, reason=_why_none(service), message=_remedy(service))
                return
            revision = self._revision(service, wanted)
            if not self._bring_up(service, revision):
                return
            self._make_live(service, revision.id)
            self._keep_warm(service)
        except LeaseLost as problem:
            log.warning("service %s is left to another controller: %s", service.name, problem)
        except TidemillError as problem:
            log.warning("service %s: %s", service.name, problem)
            self._observe(service, ready=self._is_serving(service), reason=Reason.FAILED, message=str(problem))

    def sync(self) -> None:
        """Route what is live (also after a change of access, a deletion, a restart), and stop what nobody wants."""
        services = self.services()
        with self._switching:
            routes = self._routes(services)
            if routes != self._routed:
                self._gateway.switch(routes)
                self._routed = routes
        self._sweep({service.id for service in services})

    def _revision(self, service: Service, wanted: Wanted) -> Revision:
        """The service's revision of the wanted version, made when it is its first time."""
        site, now = self._site, self._site.clock.now()
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

    def _bring_up(self, service: Service, revision: Revision) -> bool:
        """Have the revision's predictor ready and tested; False when that failed or must wait."""
        state = self._host.status(revision.id).state
        if revision.state in (RevisionState.LIVE, RevisionState.STANDBY) and state is PredictorState.READY:
            return True
        if revision.state is RevisionState.LIVE and state is PredictorState.RESTARTING:
            self._observe(service, ready=False, reason=Reason.LOADING, message="the predictor is being restarted")
            return False
        applied_anew = service.generation != service.observed_generation
        if not applied_anew and self._site.clock.monotonic_seconds() < self._retries.get(revision.id, (0, 0.0))[1]:
            return False
        if revision.state in (RevisionState.FAILED, RevisionState.STOPPED):
            revision = self._change(revision, RevisionState.STARTING, "")
        is_serving = self._is_serving(service, but=revision)
        message = f"revision {revision.number} ({revision.model_label}) is being started"
        self._observe(service, ready=is_serving, reason=Reason.LOADING, message=message)
        try:
            self._start(service, revision)
        except TidemillError as problem:
            self._give_up(service, revision, problem, is_serving)
            return False
        self._retries.pop(revision.id, None)
        return True

    def _start(self, service: Service, revision: Revision) -> None:
        """Start the predictor, wait until it is ready, and compare its answers with the recorded ones."""
        folder = revision_folder(self._site, revision.id)
        prepared = self._source.prepare(revision.namespace_id, revision.model_version_id, folder / "package")
        document = self._source.document(revision.namespace_id, revision.model_version_id)
        socket = revision_socket(self._site, revision.id)
        argument = {
            "package": str(prepared.package),
            "model_name": service.name,
            "model_digest": prepared.model_digest,
            "allow_pickle": prepared.allow_pickle,
            "version": str(revision.number),
            "late_paths": [str(path) for path in prepared.late_paths],
            "log_socket": None if self._log_socket is None else str(self._log_socket),
            "source": {
                "namespace_id": service.namespace_id,
                "namespace": service.namespace,
                "service": service.name,
                "service_id": service.id,
                "revision_id": revision.id,
                "revision": str(revision.number),
                "model_version_id": revision.model_version_id,
            },
        }
        self._host.start(
            Launch(
                revision_id=revision.id,
                socket=socket,
                python=prepared.python,
                runtime=prepared.runtime,
                environment=predictor_environment(prepared),
                argument=argument,
                heartbeat=folder / "heartbeat",
                log=self._site.home.logs / "predictors" / f"{service.name}-{revision.number}-{revision.id}.log",
                preload=modules_to_preload(document),
            )
        )
        self._wait_ready(revision)
        self._smoke(socket, service.name, document)

    def _wait_ready(self, revision: Revision) -> None:
        deadline = self._site.clock.monotonic_seconds() + LOAD_SECONDS
        while True:
            status = self._host.status(revision.id)
            if status.state is PredictorState.READY:
                return
            if status.state in (PredictorState.FAILED, PredictorState.ABSENT):
                raise Unavailable(f"the predictor did not start: {status.message}", remedy="see its log")
            if self._site.clock.monotonic_seconds() > deadline:
                raise Unavailable(f"the predictor was not ready after {LOAD_SECONDS:g} s", remedy="see its log")
            time.sleep(POLL_SECONDS)

    def _give_up(self, service: Service, revision: Revision, problem: TidemillError, is_serving: bool) -> None:
        """The old revision, if there is one, serves on."""
        self._host.stop(revision.id)
        times = self._retries.get(revision.id, (0, 0.0))[0]
        pause = min(FIRST_RETRY_SECONDS * 2**times, LONGEST_RETRY_SECONDS)
        self._retries[revision.id] = (times + 1, self._site.clock.monotonic_seconds() + pause)
        if revision.state is RevisionState.STARTING:
            self._change(revision, RevisionState.FAILED, str(problem))
        message = f"revision {revision.number} ({revision.model_label}) failed: {problem}"
        log.warning("service %s: %s", service.name, message)
        self._observe(service, ready=is_serving, reason=Reason.FAILED, message=message)

    def _make_live(self, service: Service, revision_id: str) -> None:
        """Switch the gateway and record it; one at a time, so that no switch undoes another."""
        with self._switching:
            revisions = self._revisions(service)
            revision = next(each for each in revisions if each.id == revision_id)
            if revision.state is not RevisionState.LIVE:
                routes = self._routes(self.services(), override={service.id: revision})
                self._gateway.switch(routes)
                self._routed = routes
                self._record_live(service, revision, revisions)
        message = f"revision {revision.number} ({revision.model_label}) answers"
        self._observe(service, ready=True, reason=Reason.SERVING, message=message)

    def _record_live(self, service: Service, revision: Revision, revisions: list[Revision]) -> None:
        now = self._site.clock.now()
        with self._site.database.write() as connection:
            for each in revisions:
                if each.id == revision.id:
                    state = RevisionState.LIVE
                elif each.state is RevisionState.LIVE:
                    state = RevisionState.STANDBY
                elif each.state in (RevisionState.STANDBY, RevisionState.STARTING):
                    state = RevisionState.STOPPED
                else:
                    continue
                check_revision_transition(each.state, state)
                store.set_state(connection, each, state, "", now)
            append_event(
                connection,
                self._site.clock,
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

    def _keep_warm(self, service: Service) -> None:
        """Have the previous revision's predictor running, also after a restart, so that a rollback loads nothing."""
        for revision in self._revisions(service):
            absent = self._host.status(revision.id).state is PredictorState.ABSENT
            if revision.state is not RevisionState.STANDBY or not absent:
                continue
            try:
                self._start(service, revision)
            except TidemillError as problem:
                self._host.stop(revision.id)
                self._change(revision, RevisionState.STOPPED, str(problem))

    def _sweep(self, services: set[str]) -> None:
        """Stop predictors of revisions that are stopped or whose service is gone."""
        for revision_id in self._host.revisions():
            revision = self._find(revision_id)
            is_wanted = revision is not None and revision.service_id in services and revision.state in RUNNING
            if is_wanted or revision_id in self._stopping:
                continue
            self._stopping.add(revision_id)
            # draining takes as long as the longest request: nobody waits for it
            threading.Thread(target=self._stop, args=(revision_id, revision), daemon=True).start()

    def _stop(self, revision_id: str, revision: Revision | None) -> None:
        try:
            self._gateway.retire([cluster_name(revision_id)])
            self._host.stop(revision_id)
            if revision is not None and revision.state in RUNNING:
                self._change(revision, RevisionState.STOPPED, "")
        except TidemillError as problem:
            log.warning("a predictor could not be stopped: %s", problem)
        finally:
            self._stopping.discard(revision_id)

    def _routes(self, services: Sequence[Service], override: dict[str, Revision] | None = None) -> list[ServiceRoute]:
        routes = []
        for service in services:
            chosen = (override or {}).get(service.id) or self._live_revision(service)
            if chosen is None:
                continue
            target = Target(cluster=cluster_name(chosen.id), socket=revision_socket(self._site, chosen.id))
            routes.append(
                ServiceRoute(
                    namespace=service.namespace,
                    service=service.name,
                    access=service.spec.access,
                    targets=(target,),
                    timeout_seconds=service.spec.timeout_seconds,
                )
            )
        return routes

    def _revisions(self, service: Service) -> list[Revision]:
        with self._site.database.read() as connection:
            return store.revisions_of(connection, service.namespace_id, service.id)

    def _live_revision(self, service: Service) -> Revision | None:
        live = (each for each in self._revisions(service) if each.state is RevisionState.LIVE)
        return next(live, None)

    def _is_serving(self, service: Service, but: Revision | None = None) -> bool:
        live = self._live_revision(service)
        return (
            live is not None
            and (but is None or live.id != but.id)
            and self._host.status(live.id).state is PredictorState.READY
        )

    def _find(self, revision_id: str) -> Revision | None:
        with self._site.database.read() as connection:
            for namespace_id in store.namespaces_with_services(connection):
                found = store.revision_by_id(connection, namespace_id, revision_id)
                if found is not None:
                    return found
        return None

    def _change(self, revision: Revision, state: RevisionState, message: str) -> Revision:
        check_revision_transition(revision.state, state)
        with self._site.database.write() as connection:
            if not store.set_state(connection, revision, state, message, self._site.clock.now()):
                raise Unavailable(f"revision {revision.number} changed meanwhile", remedy="it is tried again")
        return replace(revision, state=state, message=message, generation=revision.generation + 1)

    def _observe(self, service: Service, *, ready: bool, reason: Reason, message: str) -> None:
        """Write what was seen, when it is news."""
        with self._site.database.read() as connection:
            known = store.service_by_name(connection, service.namespace_id, service.name)
        if known is None or known.id != service.id:
            return
        seen = (known.ready, known.reason, known.message, known.observed_generation)
        if seen != (ready, reason, message, service.generation):
            with self._site.database.write() as connection:
                store.observe(connection, service, ready=ready, reason=reason, message=message)


def cluster_name(revision_id: str) -> str:
    """What a revision is called in the gateway."""
    return f"revision-{revision_id}"


def _why_none(service: Service) -> Reason:
    return Reason.AWAITING_APPROVAL if service.spec.is_gated else Reason.NO_VERSION


def _remedy(service: Service) -> str:
    spec = service.spec
    if not spec.is_gated:
        return (
            f"no model version went live in {spec.environment} yet, or the one that is named is not there; "
            f"ask for one: tidemill review open --environment {spec.environment}"
        )
    return (
        f"no model version is approved for {spec.name} in {spec.environment}; "
        f"open a review: tidemill review open --environment {spec.environment}"
    )
