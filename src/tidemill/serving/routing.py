"""Who gets the requests: remembered here, never read from a row, and switched one service at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tidemill.base.site import Site
from tidemill.serving.find import every_service
from tidemill.serving.gateway.figures import Figures
from tidemill.serving.gateway.model import ServiceRoute, Target
from tidemill.serving.host.contract import PredictorState
from tidemill.serving.model import Revision, RevisionState, Service
from tidemill.serving.predictors import ProvenPredictors
from tidemill.serving.revisions import Split, is_recorded, record_split, revisions_of
from tidemill.serving.rollout.model import Rollout, RolloutState
from tidemill.serving.rollout.plan import EVERYTHING
from tidemill.serving.rollout.record import active_rollouts, proven_rollout
from tidemill.serving.source import ModelSource, NotProven, Proven, Wanted, revision_socket


class Switch(Protocol):
    """The gateway as the reconciler needs it; all raise `Unavailable`, and then nothing has changed."""

    def switch(self, services: Sequence[ServiceRoute]) -> None:
        """Route as told, in one atomic change."""

    def retire(self, clusters: Sequence[str]) -> None:
        """Forget clusters that no route names, once they have answered what they had."""

    def figures(self, clusters: Sequence[str]) -> Mapping[str, Figures]:
        """What was counted for each cluster since the gateway or the cluster began."""


class Routing:
    """The split of each service that the gateway was told."""

    def __init__(self, site: Site, source: ModelSource, predictors: ProvenPredictors, gateway: Switch) -> None:
        self._site = site
        self._source = source
        self._predictors = predictors
        self._gateway = gateway
        self._lock = threading.Lock()
        self._told: list[ServiceRoute] | None = None
        self._splits: dict[str, Split] = {}

    def split(self, service: Service) -> Split | None:
        """Who answers now; None when nobody does."""
        return self._splits.get(service.id)

    def routed(self) -> set[str]:
        """The ids of all revisions that get requests."""
        return {revision for split in list(self._splits.values()) for revision in split.revisions}

    def shares_socket(self, revision: Revision) -> bool:
        """Whether its socket, which ids that end alike share, is one that gets requests."""
        sockets = {revision_socket(self._site, each) for each in self.routed()}
        return revision_socket(self._site, revision.id) in sockets

    def is_serving(self, service: Service, but: Revision | None = None) -> bool:
        """Whether a revision that is ready answers, and is another one than `but`."""
        split = self.split(service)
        if split is None or (but is not None and split.stable == but.id):
            return False
        return self._predictors.status(split.stable).state is PredictorState.READY

    def figures(self, *revision_ids: str) -> list[Figures]:
        """What the gateway counted for revisions; `Unavailable`."""
        found = self._gateway.figures([cluster_name(each) for each in revision_ids])
        return [found.get(cluster_name(each), Figures()) for each in revision_ids]

    def retire(self, revision_id: str) -> None:
        """Have the gateway forget a revision once it has answered what it had."""
        self._gateway.retire([cluster_name(revision_id)])

    def sync(self, services: Sequence[Service]) -> None:
        """Tell the gateway what is to be told: also after a change of access, a deletion, a restart."""
        with self._lock:
            self._tell(services, {})

    def adopt(self, service: Service) -> None:
        """Remember who answers since before this process began, as far as it is proven."""
        with self._lock:
            if service.id not in self._splits and (split := self._adopted(service)) is not None:
                self._splits[service.id] = split

    def take(self, service: Service, split: Split, is_proven: Callable[[], bool], *, starting: str = "") -> bool:
        """Switch the gateway and record it, one at a time, so that no switch undoes another.

        False when `is_proven`, which is asked right before, says that something has moved: the next round sees.
        """
        with self._lock:
            revisions = revisions_of(self._site, service)
            is_told = is_recorded(revisions, split)
            if not is_told or self._splits.get(service.id) != split:
                if not is_proven():
                    return False
                self._tell(every_service(self._site), {service.id: split})
            if not is_told:
                record_split(self._site, service, revisions, split, starting)
        return True

    def _tell(self, services: Sequence[Service], override: Mapping[str, Split]) -> None:
        """Tell the gateway who answers each of `services`; what it took is what is remembered."""
        routes, splits = [], {}
        for service in services:
            split = override.get(service.id) or self._splits.get(service.id) or self._adopted(service)
            if split is None:
                continue
            splits[service.id] = split
            routes.append(
                ServiceRoute(
                    namespace=service.namespace,
                    service=service.name,
                    access=service.spec.access,
                    targets=self._targets(split),
                    timeout_seconds=service.spec.timeout_seconds,
                    sticky_header=split.sticky_header,
                )
            )
        if routes != self._told:
            self._gateway.switch(routes)
            self._told = routes
        self._splits = splits

    def _targets(self, split: Split) -> tuple[Target, ...]:
        weights = {split.stable: EVERYTHING - split.percent}
        if split.canary is not None:
            weights = {split.canary: split.percent, **weights}
        return tuple(
            Target(cluster=cluster_name(each), socket=revision_socket(self._site, each), weight=weight)
            for each, weight in weights.items()
        )

    def _adopted(self, service: Service) -> Split | None:
        """What answers since before, if all of it is proven now; None else."""
        try:
            wanted = self._source.wanted(service)
            if wanted is None:
                return None
            rollout = proven_rollout(self._site, service, wanted.generation)
            if rollout is not None and rollout.state is not RolloutState.PROMOTED:
                return self._adopted_rollout(service, wanted, rollout)
            stable = self._adoptable(service, wanted.version)
            if not stable and (before := self._before(service, wanted)) is not None:
                stable = self._adoptable(service, before)
        except NotProven:
            return None
        return Split(stable=stable) if stable else None

    def _before(self, service: Service, wanted: Wanted) -> Proven | None:
        """What answered when the pointer moved and nobody was there to see it."""
        if not wanted.generation:
            return None
        for rollout in active_rollouts(self._site, service):
            return self._source.proven(service, rollout.from_version_id)
        earlier = proven_rollout(self._site, service, wanted.generation - 1)
        if earlier is not None and earlier.state is not RolloutState.PROMOTED:
            return self._source.proven(service, earlier.from_version_id)
        return self._source.before(service, wanted.generation)

    def _adopted_rollout(self, service: Service, wanted: Wanted, rollout: Rollout) -> Split | None:
        stable = self._adoptable(service, self._source.proven(service, rollout.from_version_id))
        if not stable:  # it took everything, and only its rollout was not told yet
            stable = self._adoptable(service, wanted.version)
            return Split(stable=stable) if stable else None
        share = Split(
            stable=stable,
            canary=rollout.revision_id,
            percent=rollout.percent,
            sticky_header=rollout.plan.sticky_header,
        )
        is_shared = rollout.state in (RolloutState.STEPPING, RolloutState.HOLDING)
        found = self._adoptable(service, wanted.version, RevisionState.CANARY) if is_shared else ""
        return share if found == rollout.revision_id else Split(stable=stable)

    def _adoptable(self, service: Service, version: Proven, state: RevisionState = RevisionState.LIVE) -> str:
        """The revision that its row says to be routed, if nothing but the proven package can answer there."""
        for revision in revisions_of(self._site, service):
            is_it = revision.state is state and revision.model_version_id == version.model_version_id
            if is_it and self._predictors.may_answer(service, revision, version):
                return revision.id
        return ""


def cluster_name(revision_id: str) -> str:
    """What a revision is called in the gateway."""
    return f"revision-{revision_id}"
