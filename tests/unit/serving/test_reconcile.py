"""Reconciling with a host and a gateway in memory: what is live is what the gateway took, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FixedClock, People, people_of
from tests.integration.predict.running import until
from tests.unit.serving.memory_host import MemoryHost

from tidemill.base.errors import Conflict, RunFailed, Unavailable
from tidemill.base.site import Site
from tidemill.serving import (
    Access,
    Reason,
    RevisionState,
    Service,
    ServiceSpec,
    apply_service,
    delete_service,
    get_service,
    list_revisions,
)
from tidemill.serving.gateway import Figures, ServiceRoute
from tidemill.serving.host import PredictorHost, PredictorState, PredictorStatus
from tidemill.serving.predictors import ProvenPredictors
from tidemill.serving.reconcile import Reconciler
from tidemill.serving.serve import Rounds
from tidemill.serving.source import ModelSource, NotProven, Prepared, Proven, Wanted


class MemoryGateway:
    """Takes every switch, unless `refuses`; `counted` is what it tells of each cluster."""

    def __init__(self) -> None:
        self.counted: dict[str, Figures] = {}
        self.switches: list[tuple[ServiceRoute, ...]] = []
        self.retired: list[str] = []
        self.refuses = False

    def switch(self, services: Sequence[ServiceRoute]) -> None:
        if self.refuses:
            raise Unavailable("the gateway does not answer")
        self.switches.append(tuple(services))

    def retire(self, clusters: Sequence[str]) -> None:
        self.retired += clusters

    def figures(self, clusters: Sequence[str]) -> dict[str, Figures]:
        return {name: self.counted[name] for name in clusters if name in self.counted}


class MemorySource:
    """Pointers by service, moved by the test; preparing waits while `holds` is set.

    Each move that it sees is a generation; those of `move_back` and `take_back` are moves back.
    """

    def __init__(self) -> None:
        self.moves: dict[str, list[tuple[str, bool]]] = {}
        self.live: dict[str, str] = {}
        self.approved: dict[str, str] = {}
        self.unproven: str | None = None
        self.damaged = False
        self.holds: dict[str, threading.Event] = {}

    def wanted(self, service: Service) -> Wanted | None:
        if self.unproven:
            raise NotProven(self.unproven, place="live pointer", remedy="restore it")
        version = self.live.get(service.name)
        if version is None:
            return None
        self.approved.setdefault(version, f"digest of {version}")
        moves = self.moves.setdefault(service.name, [])
        if not moves or moves[-1][0] != version:
            moves.append((version, True))
        proven, by_steps = self.proven(service, version), moves[-1][1]
        return Wanted(version=proven, label=f"m@{version}", moved_by="ada", generation=len(moves), by_steps=by_steps)

    def before(self, service: Service, generation: int) -> Proven | None:
        moves = self.moves.get(service.name, [])
        return self.proven(service, moves[generation - 2][0]) if generation > 1 else None

    def take_back(self, service: Service, model_version_id: str, generation: int) -> None:
        if len(self.moves[service.name]) != generation:
            raise Conflict("the live pointer moved meanwhile")
        self.move_back(service.name, model_version_id)

    def move_back(self, name: str, version: str) -> None:
        """A rollback."""
        self.live[name] = version
        self.moves[name].append((version, False))

    def proven(self, service: Service, model_version_id: str) -> Proven:
        digest = self.approved.get(model_version_id)
        if digest is None:
            raise NotProven(f"{model_version_id} has no approved review")
        return Proven(namespace_id=service.namespace_id, model_version_id=model_version_id, package_digest=digest)

    def is_intact(self, version: Proven, folder: Path) -> bool:
        return not self.damaged

    def prepare(self, version: Proven, folder: Path) -> Prepared:
        self.damaged = False
        if version.model_version_id in self.holds:
            self.holds[version.model_version_id].wait(10)
        return Prepared(
            python=Path("python"), runtime=folder, late_paths=(), package=folder, model_digest="", allow_pickle=False
        )

    def document(self, version: Proven) -> dict[str, Any]:
        return {}


class Bench:
    """A reconciler with everything around it in memory."""

    def __init__(
        self,
        site: Site,
        people: People,
        host: PredictorHost | None = None,
        wrap: Callable[[MemorySource], ModelSource] | None = None,
    ) -> None:
        self.site, self.people = site, people
        self.host, self.gateway, self.source = MemoryHost(), MemoryGateway(), MemorySource()
        self.smoke_fails = False
        self.smoke_hook: Callable[[], object] = lambda: None
        source = self.source if wrap is None else wrap(self.source)
        predictors = ProvenPredictors(site, source, host or self.host, smoke=self._smoke, loaded=self._loaded)
        self.reconciler = Reconciler(site, source, predictors, self.gateway)

    def _loaded(self, socket: Path, name: str) -> str:
        launch = next(each for each in reversed(self.host.launches) if each.socket == socket)
        return str(launch.argument["package_digest"])

    def _smoke(self, socket: Path, name: str, document: dict[str, Any]) -> None:
        self.smoke_hook()
        if self.smoke_fails:
            raise RunFailed("it answers otherwise")

    def turn(self, name: str = "fuel") -> Service:
        self.reconciler.reconcile(get_service(self.site, self.people.author, name))
        return get_service(self.site, self.people.author, name)

    def states(self, name: str = "fuel") -> dict[str, RevisionState]:
        service = get_service(self.site, self.people.author, name)
        found = list_revisions(self.site, self.people.author, service)
        return {each.model_version_id: each.state for each in found}


@pytest.fixture
def bench(site: Site, people: People) -> Bench:
    apply_service(site, people.author, ServiceSpec(name="fuel", access=Access.OPEN))
    return Bench(site, people)


def test_without_approval_nothing_is_started_and_nothing_is_routed(bench: Bench) -> None:
    assert bench.turn().reason is Reason.AWAITING_APPROVAL
    bench.reconciler.sync()
    assert bench.host.launches == []
    assert bench.gateway.switches == [()]


def test_a_version_is_live_only_when_the_gateway_took_it(bench: Bench) -> None:
    bench.source.live["fuel"] = "v1"
    bench.gateway.refuses = True
    service = bench.turn()
    assert (service.ready, service.reason) == (False, Reason.FAILED)
    assert bench.states() == {"v1": RevisionState.STARTING}
    bench.gateway.refuses = False
    assert bench.turn().ready
    assert bench.states() == {"v1": RevisionState.LIVE}
    assert len(bench.host.launches) == 1


def test_a_failed_smoke_test_keeps_the_old_version_and_is_tried_again_after_a_pause(
    still_site: Site, clock: FixedClock
) -> None:
    people = people_of(still_site)
    apply_service(still_site, people.author, ServiceSpec(name="fuel"))
    bench = Bench(still_site, people)
    bench.source.live["fuel"] = "v1"
    bench.turn()
    bench.smoke_fails = True
    bench.source.live["fuel"] = "v2"
    service = bench.turn()
    assert (service.ready, service.reason) == (True, Reason.FAILED)
    assert bench.states() == {"v1": RevisionState.LIVE, "v2": RevisionState.FAILED}
    bench.smoke_fails = False
    bench.turn()
    assert bench.states()["v2"] is RevisionState.FAILED
    clock.advance(10)
    bench.turn()
    assert bench.states() == {"v1": RevisionState.STANDBY, "v2": RevisionState.LIVE}


def test_a_rollback_starts_nothing(bench: Bench) -> None:
    for version in ("v1", "v2"):
        bench.source.live["fuel"] = version
        bench.turn()
    started = len(bench.host.launches)
    bench.source.live["fuel"] = "v1"
    assert bench.turn().ready
    assert bench.states() == {"v1": RevisionState.LIVE, "v2": RevisionState.STANDBY}
    assert len(bench.host.launches) == started


def test_a_restarting_predictor_makes_its_service_not_ready_until_it_is_back(bench: Bench) -> None:
    bench.source.live["fuel"] = "v1"
    bench.turn()
    (revision_id,) = bench.host.revisions()
    bench.host.states[revision_id] = PredictorStatus(state=PredictorState.RESTARTING)
    assert not bench.turn().ready
    bench.host.states[revision_id] = PredictorStatus(state=PredictorState.READY)
    assert bench.turn().ready
    assert bench.states() == {"v1": RevisionState.LIVE}


def test_after_a_restart_of_everything_the_same_versions_are_started_and_routed(bench: Bench) -> None:
    for version in ("v1", "v2"):
        bench.source.live["fuel"] = version
        bench.turn()
    again = Bench(bench.site, bench.people)
    again.source.live["fuel"], again.source.approved = "v2", bench.source.approved
    assert again.turn().ready
    again.reconciler.sync()
    assert len(again.host.launches) == 2
    ((route,),) = again.gateway.switches
    assert route.targets[0].cluster in {f"revision-{launch.revision_id}" for launch in again.host.launches}


def test_a_change_of_access_is_routed_without_starting_anything(bench: Bench) -> None:
    bench.source.live["fuel"] = "v1"
    bench.turn()
    apply_service(bench.site, bench.people.author, ServiceSpec(name="fuel", access=Access.TOKEN))
    bench.turn()
    bench.reconciler.sync()
    assert [routes[0].access for routes in bench.gateway.switches] == [Access.OPEN, Access.TOKEN]
    assert len(bench.host.launches) == 1


def test_a_deleted_service_is_not_routed_and_its_predictor_ends(bench: Bench) -> None:
    bench.source.live["fuel"] = "v1"
    bench.turn()
    delete_service(bench.site, bench.people.author, "fuel", force=True)
    bench.reconciler.sync()
    assert bench.gateway.switches[-1] == ()
    until(lambda: bench.host.revisions() == [])


def test_nothing_is_written_when_nothing_is_new(bench: Bench) -> None:
    bench.source.live["fuel"] = "v1"
    settled = bench.turn()
    bench.reconciler.sync()
    switches = len(bench.gateway.switches)
    for _ in range(3):
        assert bench.turn() == settled
        bench.reconciler.sync()
    assert len(bench.gateway.switches) == switches


def test_a_slow_start_holds_up_no_other_service(bench: Bench) -> None:
    apply_service(bench.site, bench.people.author, ServiceSpec(name="slow"))
    bench.source.holds["heavy"] = threading.Event()
    bench.source.live |= {"fuel": "v1", "slow": "heavy"}
    rounds = Rounds(bench.reconciler)
    try:
        rounds.run()
        until(lambda: get_service(bench.site, bench.people.author, "fuel").ready)
        until(lambda: get_service(bench.site, bench.people.author, "slow").reason is Reason.LOADING)
        bench.source.holds["heavy"].set()
        until(lambda: get_service(bench.site, bench.people.author, "slow").ready)
    finally:
        rounds.close()
