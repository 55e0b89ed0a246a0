"""Revisions are brought up: a proven package is loaded and tested, kept warm, and tried again after a pause."""

from __future__ import annotations

import logging

from tidemill.base.errors import RunFailed, TidemillError
from tidemill.base.leases import LeaseLost
from tidemill.base.site import Site
from tidemill.serving.host.contract import PredictorState
from tidemill.serving.model import Reason, Revision, RevisionState, Service
from tidemill.serving.predictors import DidNotLoad, ProvenPredictors, restarting
from tidemill.serving.revisions import change_revision, observe, revisions_of
from tidemill.serving.routing import Routing
from tidemill.serving.source import ModelSource, Proven

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5.0, 300.0
KNOWN = (RevisionState.LIVE, RevisionState.CANARY, RevisionState.STANDBY)
log = logging.getLogger(__name__)


class Starter:
    """Starts revisions; remembers which ones failed, and when they are tried again."""

    def __init__(self, site: Site, source: ModelSource, predictors: ProvenPredictors, routing: Routing) -> None:
        self._site = site
        self._source = source
        self._predictors = predictors
        self._routing = routing
        self._retries: dict[str, tuple[int, float]] = {}
        self._faults: dict[str, str] = {}

    def bring_up(self, service: Service, revision: Revision, version: Proven) -> bool:
        """Have a proven package loaded and tested; False when that failed or must wait."""
        if revision.state in KNOWN and self._predictors.holds(service, revision, version):
            return True
        status = self._predictors.status(revision.id)
        if revision.state is RevisionState.LIVE and status.state is PredictorState.RESTARTING:
            observe(self._site, service, ready=False, reason=Reason.LOADING, message=restarting(status))
            if not self._predictors.is_damaged(revision, version):
                return False
        applied_anew = service.generation != service.observed_generation
        if not applied_anew and self._site.clock.monotonic_seconds() < self._retries.get(revision.id, (0, 0.0))[1]:
            return False
        if revision.state in (RevisionState.FAILED, RevisionState.STOPPED):
            revision = change_revision(self._site, revision, RevisionState.STARTING, "")
        is_serving = self._routing.is_serving(service, but=revision)
        message = f"revision {revision.number} ({revision.model_label}) is being started"
        observe(self._site, service, ready=is_serving, reason=Reason.LOADING, message=message)
        try:
            self._predictors.start(service, revision, version)
        except TidemillError as problem:
            self._give_up(service, revision, problem, is_serving)
            return False
        self.forget(revision.id)
        return True

    def fault_of(self, revision: Revision) -> str:
        """Why a revision's own package did not come up; empty when it did, or when something else was in the way."""
        return self._faults.get(revision.id, "")

    def forget(self, revision_id: str) -> None:
        """Try at once the next time that it is wanted."""
        self._retries.pop(revision_id, None)
        self._faults.pop(revision_id, None)

    def keep_warm(self, service: Service) -> None:
        """Have the previous revision's predictor running, also after a restart, so that a rollback loads nothing.

        Whatever stands in the rows, what runs on standby is proven, and no socket that is routed is touched.
        """
        for revision in revisions_of(self._site, service):
            if revision.state is not RevisionState.STANDBY or self._routing.shares_socket(revision):
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
                change_revision(self._site, revision, RevisionState.STOPPED, str(problem))

    def _give_up(self, service: Service, revision: Revision, problem: TidemillError, is_serving: bool) -> None:
        """The old revision, if there is one, serves on."""
        self._predictors.stop(revision.id)
        times = self._retries.get(revision.id, (0, 0.0))[0]
        pause = min(FIRST_RETRY_SECONDS * 2**times, LONGEST_RETRY_SECONDS)
        self._retries[revision.id] = (times + 1, self._site.clock.monotonic_seconds() + pause)
        if isinstance(problem, DidNotLoad | RunFailed):
            self._faults[revision.id] = problem.message
        if revision.state is RevisionState.STARTING:
            change_revision(self._site, revision, RevisionState.FAILED, str(problem))
        message = f"revision {revision.number} ({revision.model_label}) failed: {problem}"
        log.warning("service %s: %s", service.name, message)
        observe(self._site, service, ready=is_serving, reason=Reason.FAILED, message=message)
