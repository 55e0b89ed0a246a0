"""The verb reconcile: what runs and what the gateway routes is made to agree with the live pointers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from tidemill.base.errors import TidemillError, Unavailable
from tidemill.base.events import append_event
from tidemill.base.leases import LeaseLost
from tidemill.base.site import Site
from tidemill.serving import store
from tidemill.serving.find import every_service
from tidemill.serving.gateway.model import ServiceRoute, Target
from tidemill.serving.host.contract import PredictorState
from tidemill.serving.model import Reason, Revision, RevisionState, Service, check_revision_transition
from tidemill.serving.predictors import ProvenPredictors, reason_of, restarting
from tidemill.serving.source import ModelSource, NotProven, Wanted, revision_socket

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
    """Makes services agree with the live pointers, as far as the gate proves where they stand.

    What is routed is remembered here, never read from a row: a revision gets traffic when the live pointer is proven,
    names its version, and its predictor says that it loaded the proven package. While the proof fails, what was proven
    last answers on; after a restart nothing is known to be proven, and such a service gets no traffic.
    """

    def __init__(
        self,
        site: Site,
        source: ModelSource,
        predictors: ProvenPredictors,
        gateway: Switch,
    ) -> None:
        self._site = site
        self._source = source
        self._predictors = predictors
        self._gateway = gateway
        self._switching = threading.Lock()
        self._routed: list[ServiceRoute] | None = None
        self._live: dict[str, str] = {}
        self._environments: dict[str, str] = {}
        self._unproven_since: dict[str, datetime] = {}
        self._retries: dict[str, tuple[int, float]] = {}
        self._stopping: set[str] = set()

    def services(self) -> list[Service]:
        """Every service of the site."""
        return every_service(self._site)

    def reconcile(self, service: Service) -> None:
        """Bring one service to what is wanted; what cannot be done is written on it, and tried again later.

        Starting a revision takes seconds (minutes, when its venv must be made); a switch to one that runs takes
        milliseconds.
        """
        try:
            self._demand_environment(service)
            wanted = self._source.wanted(service)
            if wanted is None:
                self._want_nothing(service)
                return
            revision = self._revision(service, wanted)
            if self._bring_up(service, revision, wanted) and self._make_live(service, revision.id, wanted):
                self._keep_warm(service)
        except LeaseLost as problem:
            log.warning("service %s is left to another controller: %s", service.name, problem)
        except NotProven as problem:
            self._alarm(service, problem)
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
            self._live = {service.id: self._live[service.id] for service in services if service.id in self._live}
        self._sweep({service.id for service in services})

    def _demand_environment(self, service: Service) -> None:
        """No service leaves its environment, so that one that has a gate cannot become one without."""
        known = self._environments.setdefault(service.id, service.spec.environment)
        if known != service.spec.environment:
            raise NotProven(
                f"it belongs to {known}, and its row says {service.spec.environment}",
                place=f"service {service.name}",
                remedy="somebody changed the database: restore it from a backup, or delete the service with force",
            )

    def _want_nothing(self, service: Service) -> None:
        if service.id not in self._live:
            self._observe(service, ready=False, reason=_why_none(service), message=_remedy(service))
        elif service.spec.is_gated:  # the gate takes nothing back: its rows are gone
            raise NotProven(
                "there is no live pointer any more",
                place=f"live pointer of {service.name} in {service.spec.environment}",
                remedy="somebody changed the database: restore it from a backup",
            )

    def _alarm(self, service: Service, problem: NotProven) -> None:
        """Say for all to see that the database was changed behind the gate's back; nothing is switched."""
        if service.id not in self._unproven_since:
            log.error("service %s: %s", service.name, problem)
        since = self._unproven_since.setdefault(service.id, self._site.clock.now())
        what = "what was proven last answers on" if service.id in self._live else "nothing answers"
        message = f"not proven since {since:%Y-%m-%dT%H:%M:%SZ}: {reason_of(problem)}; {what}"
        remedy = f"\n  → {problem.remedy}" if problem.remedy else ""
        self._observe(service, ready=self._is_serving(service), reason=Reason.NOT_PROVEN, message=message + remedy)

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

    def _bring_up(self, service: Service, revision: Revision, wanted: Wanted) -> bool:
        """Have the wanted package loaded and tested; False when that failed or must wait."""
        known = revision.state in (RevisionState.LIVE, RevisionState.STANDBY)
        if known and self._predictors.holds(service, revision, wanted.version):
            return True
        status = self._predictors.status(revision.id)
        if revision.state is RevisionState.LIVE and status.state is PredictorState.RESTARTING:
            self._observe(service, ready=False, reason=Reason.LOADING, message=restarting(status))
            if not self._predictors.is_damaged(revision, wanted.version):
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
            self._predictors.start(service, revision, wanted.version)
        except TidemillError as problem:
            self._give_up(service, revision, problem, is_serving)
            return False
        self._retries.pop(revision.id, None)
        return True

    def _give_up(self, service: Service, revision: Revision, problem: TidemillError, is_serving: bool) -> None:
        """The old revision, if there is one, serves on."""
        self._predictors.stop(revision.id)
        times = self._retries.get(revision.id, (0, 0.0))[0]
        pause = min(FIRST_RETRY_SECONDS * 2**times, LONGEST_RETRY_SECONDS)
        self._retries[revision.id] = (times + 1, self._site.clock.monotonic_seconds() + pause)
        if revision.state is RevisionState.STARTING:
            self._change(revision, RevisionState.FAILED, str(problem))
        message = f"revision {revision.number} ({revision.model_label}) failed: {problem}"
        log.warning("service %s: %s", service.name, message)
        self._observe(service, ready=is_serving, reason=Reason.FAILED, message=message)

    def _make_live(self, service: Service, revision_id: str, wanted: Wanted) -> bool:
        """Switch the gateway and record it, one at a time, so that no switch undoes another.

        False when the pointer or the predictor is not any more where it was proven to be: the next round sees.
        """
        with self._switching:
            revisions = self._revisions(service)
            revision = next(each for each in revisions if each.id == revision_id)
            is_told = [each.id for each in revisions if each.state is RevisionState.LIVE] == [revision_id]
            if not is_told or self._live.get(service.id) != revision_id:
                if self._source.wanted(service) != wanted:
                    return False
                if not self._predictors.holds(service, revision, wanted.version):
                    return False
                routes = self._routes(self.services(), override={service.id: revision_id})
                if routes != self._routed:
                    self._gateway.switch(routes)
                self._routed = routes
                self._live[service.id] = revision_id
            if not is_told:
                self._record_live(service, revision, revisions)
        self._unproven_since.pop(service.id, None)
        message = f"revision {revision.number} ({revision.model_label}) answers"
        self._observe(service, ready=True, reason=Reason.SERVING, message=message)
        return True

    def _record_live(self, service: Service, revision: Revision, revisions: list[Revision]) -> None:
        now = self._site.clock.now()
        with self._site.database.write() as connection:
            for each in revisions:
                if each.id == revision.id:
                    if each.state is RevisionState.LIVE:
                        continue
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
        """Have the previous revision's predictor running, also after a restart, so that a rollback loads nothing.

        Whatever stands in the rows, what runs on standby is proven, and no socket that is routed is touched.
        """
        for revision in self._revisions(service):
            if revision.state is not RevisionState.STANDBY or self._is_routed(revision):
                continue
            try:
                version = self._source.proven(service, revision.model_version_id)
                state = self._predictors.status(revision.id).state
                is_wrong = state is PredictorState.READY and not self._predictors.holds(service, revision, version)
                is_damaged = state is PredictorState.RESTARTING and self._predictors.is_damaged(revision, version)
                if state is PredictorState.ABSENT or is_wrong or is_damaged:
                    self._predictors.start(service, revision, version)
            except LeaseLost:
                raise
            except TidemillError as problem:
                log.warning("service %s: revision %d is not kept warm: %s", service.name, revision.number, problem)
                self._predictors.stop(revision.id)
                self._change(revision, RevisionState.STOPPED, str(problem))

    def _sweep(self, services: set[str]) -> None:
        """Stop predictors of revisions that are stopped or whose service is gone."""
        for revision_id in self._predictors.revisions():
            revision = self._find(revision_id)
            is_wanted = revision is not None and revision.service_id in services and revision.state in RUNNING
            if is_wanted or revision_id in self._live.values() or revision_id in self._stopping:
                continue
            self._stopping.add(revision_id)
            # draining takes as long as the longest request: nobody waits for it
            threading.Thread(target=self._stop, args=(revision_id, revision), daemon=True).start()

    def _stop(self, revision_id: str, revision: Revision | None) -> None:
        try:
            self._gateway.retire([cluster_name(revision_id)])
            self._predictors.stop(revision_id)
            if revision is not None and revision.state in RUNNING:
                self._change(revision, RevisionState.STOPPED, "")
        except TidemillError as problem:
            log.warning("a predictor could not be stopped: %s", problem)
        finally:
            self._stopping.discard(revision_id)

    def _routes(self, services: Sequence[Service], override: dict[str, str] | None = None) -> list[ServiceRoute]:
        routes = []
        for service in services:
            chosen = (override or {}).get(service.id) or self._live.get(service.id) or self._adopt(service)
            if chosen is None:
                continue
            target = Target(cluster=cluster_name(chosen), socket=revision_socket(self._site, chosen))
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

    def _adopt(self, service: Service) -> str | None:
        """The revision that answers since before this process began, if it is what is proven now; else None."""
        try:
            wanted = self._source.wanted(service)
        except NotProven:
            return None
        for revision in self._revisions(service):
            is_live = revision.state is RevisionState.LIVE
            if wanted is None or not is_live or revision.model_version_id != wanted.model_version_id:
                continue
            if self._predictors.may_answer(service, revision, wanted.version):
                self._live[service.id] = revision.id
                return revision.id
        return None

    def _is_routed(self, revision: Revision) -> bool:
        """Whether its socket, which ids that end alike share, is one that gets traffic."""
        routed = {revision_socket(self._site, each) for each in self._live.values()}
        return revision_socket(self._site, revision.id) in routed

    def _revisions(self, service: Service) -> list[Revision]:
        with self._site.database.read() as connection:
            return store.revisions_of(connection, service.namespace_id, service.id)

    def _is_serving(self, service: Service, but: Revision | None = None) -> bool:
        live = self._live.get(service.id)
        return (
            live is not None
            and (but is None or live != but.id)
            and self._predictors.status(live).state is PredictorState.READY
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
