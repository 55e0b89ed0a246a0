"""The verb reconcile: what runs and what the gateway routes is made to agree with the live pointers."""

from __future__ import annotations

import logging
import threading
from datetime import datetime

from tidemill.base.errors import TidemillError
from tidemill.base.leases import LeaseLost
from tidemill.base.site import Site
from tidemill.serving.find import every_service
from tidemill.serving.model import Reason, Revision, RevisionState, Service
from tidemill.serving.predictors import ProvenPredictors, reason_of
from tidemill.serving.revisions import RUNNING, Split, change_revision, find_revision, observe, revision_for
from tidemill.serving.rollout.drive import Driver
from tidemill.serving.routing import Routing, Switch
from tidemill.serving.source import ModelSource, NotProven, Wanted
from tidemill.serving.starting import Starter

log = logging.getLogger(__name__)


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
        self._routing = Routing(site, source, predictors, gateway)
        self._starter = Starter(site, source, predictors, self._routing)
        self._driver = Driver(site, source, predictors, self._routing, self._starter)
        self._environments: dict[str, str] = {}
        self._unproven_since: dict[str, datetime] = {}
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
            self._routing.adopt(service)
            revision = revision_for(self._site, service, wanted)
            way = self._driver.way_to(service, wanted, revision)
            if way is None:
                self._take_at_once(service, revision, wanted)
            elif self._driver.advance(way) and self._make_live(service, revision, wanted):
                self._driver.promoted(way)
            self._unproven_since.pop(service.id, None)
        except LeaseLost as problem:
            log.warning("service %s is left to another controller: %s", service.name, problem)
        except NotProven as problem:
            self._alarm(service, problem)
        except TidemillError as problem:
            log.warning("service %s: %s", service.name, problem)
            self._observe(service, ready=self._routing.is_serving(service), reason=Reason.FAILED, message=str(problem))

    def sync(self) -> None:
        """Route what is live (also after a change of access, a deletion, a restart), and stop what nobody wants."""
        services = self.services()
        self._routing.sync(services)
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
        if self._routing.split(service) is None:
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
        what = "what was proven last answers on" if self._routing.split(service) else "nothing answers"
        message = f"not proven since {since:%Y-%m-%dT%H:%M:%SZ}: {reason_of(problem)}; {what}"
        remedy = f"\n  → {problem.remedy}" if problem.remedy else ""
        self._observe(
            service, ready=self._routing.is_serving(service), reason=Reason.NOT_PROVEN, message=message + remedy
        )

    def _take_at_once(self, service: Service, revision: Revision, wanted: Wanted) -> None:
        is_up = self._starter.bring_up(service, revision, wanted.version)
        if is_up and self._make_live(service, revision, wanted):
            self._starter.keep_warm(service)

    def _make_live(self, service: Service, revision: Revision, wanted: Wanted) -> bool:
        """Have all requests answered by the revision.

        False when the pointer or the predictor is not any more where it was proven to be: the next round sees.
        """

        def is_proven() -> bool:
            is_wanted = self._source.wanted(service) == wanted
            return is_wanted and self._predictors.holds(service, revision, wanted.version)

        if not self._routing.take(service, Split(stable=revision.id), is_proven):
            return False
        message = f"revision {revision.number} ({revision.model_label}) answers"
        self._observe(service, ready=True, reason=Reason.SERVING, message=message)
        return True

    def _sweep(self, services: set[str]) -> None:
        """Stop predictors of revisions that are stopped or whose service is gone."""
        for revision_id in self._predictors.revisions():
            revision = find_revision(self._site, revision_id)
            is_wanted = revision is not None and revision.service_id in services and revision.state in RUNNING
            if is_wanted or revision_id in self._routing.routed() or revision_id in self._stopping:
                continue
            self._stopping.add(revision_id)
            # draining takes as long as the longest request: nobody waits for it
            threading.Thread(target=self._stop, args=(revision_id, revision), daemon=True).start()

    def _stop(self, revision_id: str, revision: Revision | None) -> None:
        try:
            self._routing.retire(revision_id)
            self._predictors.stop(revision_id)
            if revision is not None and revision.state in RUNNING:
                change_revision(self._site, revision, RevisionState.STOPPED, "")
        except TidemillError as problem:
            log.warning("a predictor could not be stopped: %s", problem)
        finally:
            self._stopping.discard(revision_id)

    def _observe(self, service: Service, *, ready: bool, reason: Reason, message: str) -> None:
        observe(self._site, service, ready=ready, reason=reason, message=message)


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
