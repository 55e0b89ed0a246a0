"""Leading a version to all requests: each round does what is due, and a controller that comes anew goes on there."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from tidemill.base.errors import Unavailable
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.serving.host.contract import PredictorState
from tidemill.serving.model import Reason, Revision, Service
from tidemill.serving.predictors import ProvenPredictors, restarting
from tidemill.serving.revisions import Split, observe, revisions_of
from tidemill.serving.rollout import store
from tidemill.serving.rollout.guards import next_move
from tidemill.serving.rollout.model import Rollout, RolloutState, Watched, check_rollout_transition
from tidemill.serving.rollout.plan import EVERYTHING
from tidemill.serving.rollout.record import KINDS, active_rollouts, proven_rollout, write_rollout
from tidemill.serving.routing import Routing
from tidemill.serving.source import SYSTEM, ModelSource, NotProven, Wanted, revision_socket
from tidemill.serving.starting import Starter

WITH_TRAFFIC = (RolloutState.STEPPING, RolloutState.HOLDING)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A rollout with what it is about: what the live pointer names, its revision, and the one that is stable."""

    service: Service
    wanted: Wanted
    revision: Revision
    stable: Revision
    rollout: Rollout

    @property
    def split(self) -> Split:
        """Who answers in this step."""
        return Split(
            stable=self.stable.id,
            canary=self.revision.id,
            percent=self.rollout.percent,
            sticky_header=self.rollout.plan.sticky_header,
        )


class Driver:
    """Drives the rollouts of services; what it decides is written before the gateway is told."""

    def __init__(
        self, site: Site, source: ModelSource, predictors: ProvenPredictors, routing: Routing, starter: Starter
    ) -> None:
        self._site = site
        self._source = source
        self._predictors = predictors
        self._routing = routing
        self._starter = starter

    def way_to(self, service: Service, wanted: Wanted, revision: Revision) -> Way | None:
        """The rollout that leads to what is wanted, begun when it is due; None when it is taken at once.

        Those that led elsewhere are ended. Raises `NotProven` when a row is not what was signed.
        """
        for other in active_rollouts(self._site, service):
            if other.pointer_generation != wanted.generation:
                self._end(service, other, wanted)
        rollout = proven_rollout(self._site, service, wanted.generation) if wanted.generation else None
        if rollout is None:
            rollout = self._begun(service, wanted, revision)
        if rollout is None or rollout.state is RolloutState.PROMOTED:
            return None
        stable = self._revision(service, rollout.from_revision_id)
        way = Way(service=service, wanted=wanted, revision=revision, stable=stable, rollout=rollout)
        _demand_proven(self._site, way)
        return way

    def advance(self, way: Way) -> bool:
        """Do what is due; True when the last step is decided, so that the revision is to take everything."""
        if way.rollout.state is RolloutState.ROLLED_BACK:
            self._keep_back(way)
            return False
        if reason := self._crash(way):
            self._roll_back(way, reason)
            return False
        is_last = way.rollout.state is RolloutState.STEPPING and way.rollout.percent == EVERYTHING
        if not is_last and not self._stable_is_up(way):
            return False
        if not self._starter.bring_up(way.service, way.revision, way.wanted.version):
            if fault := self._starter.fault_of(way.revision):
                self._roll_back(way, f"its predictor did not come up: {fault}")
            return False
        if not is_last:
            self._step(way)
        return is_last

    def promoted(self, way: Way) -> None:
        """The revision answers everything."""
        self._change(way, RolloutState.PROMOTED, reason="", watched=self._watch(way))

    def _begun(self, service: Service, wanted: Wanted, revision: Revision) -> Rollout | None:
        split = self._routing.split(service)
        if split is None or not wanted.by_steps or service.spec.rollout.is_at_once:
            return None
        stable = self._revision(service, split.stable)
        if stable.model_version_id == wanted.model_version_id:
            return None
        now = self._site.clock.now()
        rollout = Rollout(
            id=self._site.ids.new(),
            namespace_id=service.namespace_id,
            service_id=service.id,
            pointer_generation=wanted.generation,
            model_version_id=wanted.model_version_id,
            revision_id=revision.id,
            revision=revision.number,
            from_version_id=stable.model_version_id,
            from_revision_id=stable.id,
            from_revision=stable.number,
            plan=service.spec.rollout,
            state=RolloutState.STARTED,
            percent=0,
            paused=False,
            reason="",
            watched=Watched(),
            held_since=None,
            created_by=wanted.moved_by,
            created_at=now,
            changed_by=wanted.moved_by,
            changed_at=now,
            generation=1,
        )
        self._starter.forget(revision.id)
        self._write(service, rollout)
        return rollout

    def _stable_is_up(self, way: Way) -> bool:
        version = self._source.proven(way.service, way.rollout.from_version_id)
        if not self._starter.bring_up(way.service, way.stable, version):
            return False
        if way.rollout.state is RolloutState.STARTED:
            self._take_stable(way)
        return True

    def _step(self, way: Way) -> None:
        """From the first share on: tell the gateway, watch, decide."""
        if way.rollout.state is RolloutState.STARTED:
            watched = replace(self._watch(way, begin=True), restarts=self._predictors.status(way.revision.id).restarts)
            first = way.rollout.plan.steps[0]
            way = self._change(way, RolloutState.STEPPING, percent=first, reason="it is ready", watched=watched)
        if not self._routing.take(way.service, way.split, lambda: self._is_proven(way)):
            return
        watched = self._watch(way)
        if way.rollout.state is RolloutState.STEPPING:
            watched = replace(watched, canary_before=watched.canary, stable_before=watched.stable)
            now = self._site.clock.now()
            way = self._change(way, RolloutState.HOLDING, by=way.rollout.changed_by, held_since=now, watched=watched)
        following = next_move(way.rollout, watched, self._site.clock.now())
        if following.reason:
            self._roll_back(way, following.reason)
        elif following.percent is not None:
            reason = f"{way.rollout.percent} % held"
            self._change(way, RolloutState.STEPPING, percent=following.percent, reason=reason, watched=watched)
        else:
            self._tell(way, following.waits_for)

    def _roll_back(self, way: Way, reason: str) -> None:
        log.warning("service %s: revision %d is rolled back: %s", way.service.name, way.revision.number, reason)
        self._keep_back(self._change(way, RolloutState.ROLLED_BACK, reason=reason, watched=self._watch(way)))

    def _keep_back(self, way: Way) -> None:
        """Take its requests away, then have the gate move the live pointer back to what answers."""
        if not self._take_stable(way):
            return
        self._watch(way)
        message = f"revision {way.stable.number} ({way.stable.model_label}) answers"
        ready = self._routing.is_serving(way.service)
        observe(self._site, way.service, ready=ready, reason=Reason.SERVING, message=message)
        self._source.take_back(way.service, way.rollout.from_version_id, way.wanted.generation)

    def _take_stable(self, way: Way) -> bool:
        return self._routing.take(
            way.service,
            Split(stable=way.stable.id),
            lambda: self._source.wanted(way.service) == way.wanted and self._stable_is_proven(way),
            starting=way.revision.id if way.rollout.state is RolloutState.STARTED else "",
        )

    def _is_proven(self, way: Way) -> bool:
        """Asked right before the gateway is told."""
        return (
            self._source.wanted(way.service) == way.wanted
            and self._predictors.holds(way.service, way.revision, way.wanted.version)
            and self._stable_is_proven(way)
        )

    def _stable_is_proven(self, way: Way) -> bool:
        """What answers already was proven when it began to."""
        split = self._routing.split(way.service)
        if split is not None and split.stable == way.stable.id:
            return True
        version = self._source.proven(way.service, way.rollout.from_version_id)
        return self._predictors.may_answer(way.service, way.stable, version)

    def _crash(self, way: Way) -> str:
        if way.rollout.state not in WITH_TRAFFIC:
            return ""
        status = self._predictors.status(way.revision.id)
        has_died = status.state is PredictorState.RESTARTING or status.restarts > way.rollout.watched.restarts
        return f"its predictor died; {restarting(status)}" if has_died else ""

    def _watch(self, way: Way, *, begin: bool = False) -> Watched:
        """What was counted until now, kept; what was counted last when the gateway does not answer."""
        rollout, known = way.rollout, way.rollout.watched
        try:
            canary, stable = self._routing.figures(rollout.revision_id, rollout.from_revision_id)
        except Unavailable as problem:
            if begin:
                raise
            log.warning("service %s: %s", way.service.name, problem)
            return known
        watched = replace(known, canary_last=canary, stable_last=stable)
        if not begin:
            watched = replace(
                watched,
                canary=known.canary.plus(canary.since(known.canary_last)),
                stable=known.stable.plus(stable.since(known.stable_last)),
            )
        if watched != known:
            with self._site.database.write() as connection:
                store.keep_watched(connection, rollout, watched)
        return watched

    def _end(self, service: Service, rollout: Rollout, wanted: Wanted) -> None:
        """The live pointer names another version by now."""
        is_back = wanted.model_version_id == rollout.from_version_id
        state = RolloutState.ROLLED_BACK if is_back else RolloutState.SUPERSEDED
        told = f"{wanted.moved_by} rolled it back" if is_back else f"{wanted.label} came"
        check_rollout_transition(rollout.state, state)
        self._write(service, self._next(rollout, state, by=wanted.moved_by, reason=told))

    def _change(self, way: Way, state: RolloutState, *, by: str = SYSTEM, **fields: Any) -> Way:
        check_rollout_transition(way.rollout.state, state)
        rollout = self._next(way.rollout, state, by=by, **fields)
        self._write(way.service, rollout)
        return replace(way, rollout=rollout)

    def _next(self, rollout: Rollout, state: RolloutState, *, by: str, **fields: Any) -> Rollout:
        now, generation = self._site.clock.now(), rollout.generation + 1
        return replace(rollout, **fields, state=state, changed_by=by, changed_at=now, generation=generation)

    def _write(self, service: Service, rollout: Rollout) -> None:
        key = signing_key(self._site.home)
        with self._site.database.write() as connection:
            write_rollout(connection, self._site, key, service, rollout, KINDS[rollout.state])

    def _revision(self, service: Service, revision_id: str) -> Revision:
        for known in revisions_of(self._site, service):
            if known.id == revision_id:
                return known
        raise NotProven("the row of a revision that answers is gone", place=f"service {service.name}")

    def _tell(self, way: Way, waits_for: str) -> None:
        rollout, revision = way.rollout, way.revision
        told = (
            f"; paused by {rollout.changed_by}" if rollout.paused else f"; it waits for {waits_for}" * bool(waits_for)
        )
        message = (
            f"revision {revision.number} ({revision.model_label}) gets {rollout.percent} % of the requests, "
            f"revision {way.stable.number} ({way.stable.model_label}) the others{told}"
        )
        ready = self._routing.is_serving(way.service)
        observe(self._site, way.service, ready=ready, reason=Reason.ROLLING_OUT, message=message)


def _demand_proven(site: Site, way: Way) -> None:
    """The rows of the revisions are not signed, and the rollout that names them is."""
    rollout = way.rollout
    told = (way.wanted.model_version_id, way.revision.id, way.stable.model_version_id)
    shares = revision_socket(site, way.revision.id) == revision_socket(site, way.stable.id)
    if told != (rollout.model_version_id, rollout.revision_id, rollout.from_version_id) or shares:
        raise NotProven(
            "its revisions are not those that it began with",
            place=f"rollout of revision {rollout.revision} of {way.service.name}",
            remedy="somebody changed the database: restore it from a backup, or roll back to a version by name",
        )
