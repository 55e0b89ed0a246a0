"""Rollouts with a host and a gateway in memory: by steps, under guards, back at once, and on after any kill."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection
from tests.conftest import FixedClock, people_of
from tests.unit.serving.test_reconcile import Bench, MemoryGateway

from tidemill.base.events import events_after
from tidemill.base.site import Site
from tidemill.gate import verify_audit
from tidemill.serving import Reason, RevisionState, ServiceSpec, apply_service, get_service
from tidemill.serving.gateway import Figures
from tidemill.serving.host import PredictorState, PredictorStatus
from tidemill.serving.rollout import RolloutPlan
from tidemill.serving.rollout.model import Rollout, RolloutState
from tidemill.serving.rollout.store import rollouts_of
from tidemill.serving.routing import cluster_name

PLAN = RolloutPlan(steps=(10, 50, 100), hold_seconds=60, min_requests=5)


def spec(plan: RolloutPlan = PLAN) -> ServiceSpec:
    return ServiceSpec(name="fuel", rollout=plan)


class Stand(Bench):
    """A bench whose service answers with v1 and rolls out what comes next."""

    clock: FixedClock

    def revision(self, version: str) -> str:
        return next(
            launch.revision_id
            for launch in self.host.launches
            if launch.argument["package_digest"] == f"digest of {version}"
        )

    def weights(self) -> dict[str, int]:
        """Who gets how many percent, by version."""
        versions = {
            cluster_name(launch.revision_id): str(launch.argument["source"]["model_version_id"])
            for launch in self.host.launches
        }
        (route,) = self.gateway.switches[-1]
        return {versions[target.cluster]: target.weight for target in route.targets}

    def count(self, version: str, requests: int, failed: int = 0, refused: int = 0) -> None:
        """The gateway counts more requests of a version."""
        name = cluster_name(self.revision(version))
        more = Figures(requests=requests, failed=failed, refused=refused)
        self.gateway.counted[name] = self.gateway.counted.get(name, Figures()).plus(more)

    def held(self) -> None:
        """The hold of a step passes."""
        self.clock.advance(PLAN.hold_seconds + 1)
        self.turn()
        self.turn()

    def rollouts(self) -> list[Rollout]:
        service = get_service(self.site, self.people.author, "fuel")
        with self.site.database.read() as connection:
            return [each for each, _ in rollouts_of(connection, service.namespace_id, service.id)]

    def told(self) -> list[tuple[str, int]]:
        """The events of rollouts with their percents."""
        with self.site.database.read() as connection:
            found = events_after(connection, namespace_id=self.people.author.namespace_id, number=0, kinds=EVENTS)
        return [(each.kind.removeprefix("rollout."), each.data["percent"]) for each in found]


EVENTS = tuple(f"rollout.{name}" for name in ("started", "stepped", "promoted", "rolled_back", "superseded"))


def stand_at(site: Site, clock: FixedClock, plan: RolloutPlan = PLAN) -> Stand:
    people = people_of(site)
    apply_service(site, people.author, spec(plan))
    made = Stand(site, people)
    made.clock = clock
    made.source.live["fuel"] = "v1"
    assert made.turn().ready
    return made


@pytest.fixture
def stand(still_site: Site, clock: FixedClock) -> Stand:
    return stand_at(still_site, clock)


def begin(stand: Stand, version: str = "v2") -> None:
    """A version is approved and gets its first share."""
    stand.source.live["fuel"] = version
    stand.turn()
    assert stand.weights() == {version: 10, "v1": 90}


def test_a_version_goes_to_all_requests_by_steps_that_are_held(stand: Stand) -> None:
    begin(stand)
    service = stand.turn()
    assert (service.ready, service.reason) == (True, Reason.ROLLING_OUT)
    assert service.message == "revision 2 (m@v2) gets 10 % of the requests, revision 1 (m@v1) the others"
    assert stand.states() == {"v1": RevisionState.LIVE, "v2": RevisionState.CANARY}
    stand.clock.advance(PLAN.hold_seconds - 1)
    stand.turn()
    assert stand.weights() == {"v2": 10, "v1": 90}
    stand.held()
    assert stand.weights() == {"v2": 50, "v1": 50}
    stand.held()
    assert stand.weights() == {"v2": 100}
    assert stand.states() == {"v1": RevisionState.STANDBY, "v2": RevisionState.LIVE}
    assert stand.turn().reason is Reason.SERVING
    assert stand.told() == [("started", 0), ("stepped", 10), ("stepped", 50), ("stepped", 100), ("promoted", 100)]
    assert verify_audit(stand.site, stand.people.author) > 0


def test_the_first_targets_of_a_route_are_the_new_ones_so_that_who_is_inside_stays_inside(stand: Stand) -> None:
    begin(stand)
    (route,) = stand.gateway.switches[-1]
    assert [target.weight for target in route.targets] == [10, 90]
    assert route.sticky_header == "X-Tidemill-Key"


def test_without_steps_a_version_takes_all_at_once(still_site: Site, clock: FixedClock) -> None:
    stand = stand_at(still_site, clock, RolloutPlan())
    stand.source.live["fuel"] = "v2"
    stand.turn()
    assert stand.weights() == {"v2": 100}
    assert stand.rollouts() == []


def test_a_step_waits_for_its_requests_too(still_site: Site, clock: FixedClock) -> None:
    stand = stand_at(still_site, clock, replace(PLAN, hold_requests=30))
    begin(stand)
    stand.count("v1", 500, refused=250)
    stand.count("v2", 40, refused=20)
    stand.held()
    assert stand.weights()["v2"] == 10, "a client's faults are no requests that say something"
    stand.count("v2", 10)
    stand.held()
    assert stand.weights()["v2"] == 50
    stand.held()
    assert stand.weights()["v2"] == 50, "each step counts its own"


def test_a_step_is_held_on_while_few_requests_look_worse_than_its_guard_allows(stand: Stand) -> None:
    begin(stand)
    stand.count("v1", 500)
    stand.count("v2", 21, failed=1)
    stand.held()
    assert stand.weights()["v2"] == 10
    assert "it waits for more requests: of few, more failed" in stand.turn().message
    stand.count("v2", 79)
    stand.held()
    assert stand.weights()["v2"] == 50, "one of a hundred is what it may fail"


def test_what_callers_send_wrongly_to_both_holds_no_step(stand: Stand) -> None:
    begin(stand)
    stand.count("v1", 500, refused=100)
    stand.count("v2", 20, refused=4)
    stand.held()
    assert stand.weights()["v2"] == 50


def test_a_revision_that_refuses_what_the_other_takes_is_taken_back(stand: Stand) -> None:
    begin(stand)
    stand.count("v1", 500)
    stand.count("v2", 60, refused=20)
    stand.turn()
    assert stand.weights() == {"v1": 100}
    assert "20 of 60 requests were refused" in stand.rollouts()[0].reason


def test_a_last_step_below_all_is_held_until_somebody_promotes(still_site: Site, clock: FixedClock) -> None:
    stand = stand_at(still_site, clock, replace(PLAN, steps=(10,)))
    begin(stand)
    for _ in range(3):
        stand.held()
    assert stand.weights() == {"v2": 10, "v1": 90}


def test_a_guard_takes_the_requests_away_and_the_pointer_goes_back(stand: Stand) -> None:
    begin(stand)
    stand.count("v1", 500)
    stand.count("v2", 60, failed=12)
    stand.turn()
    assert stand.weights() == {"v1": 100}
    (rollout,) = stand.rollouts()
    assert rollout.state is RolloutState.ROLLED_BACK
    assert rollout.reason == "12 of 60 requests failed (20.00%), more than max_error_rate 0.01"
    assert (rollout.watched.canary.failed, rollout.watched.stable.requests) == (12, 500)
    assert stand.source.live["fuel"] == "v1"
    assert stand.told()[-1] == ("rolled_back", 10)
    for _ in range(3):
        stand.held()
    assert stand.weights() == {"v1": 100}, "it does not come again by itself"
    assert stand.turn().reason is Reason.SERVING
    assert stand.states() == {"v1": RevisionState.LIVE, "v2": RevisionState.STOPPED}


def test_what_was_rolled_back_comes_again_when_somebody_asks(stand: Stand) -> None:
    begin(stand)
    stand.count("v2", 60, failed=12)
    stand.turn()
    stand.turn()
    stand.source.live["fuel"] = "v2"
    stand.turn()
    assert stand.weights() == {"v2": 10, "v1": 90}
    stand.count("v2", 100)
    stand.held()
    assert stand.weights() == {"v2": 50, "v1": 50}, "what it failed the last time is past"


def test_one_of_two_ends_nothing(stand: Stand) -> None:
    begin(stand)
    stand.count("v2", requests=2, failed=1)
    stand.held()
    assert stand.weights() == {"v2": 10, "v1": 90}


def test_the_faults_of_clients_end_nothing_while_nobody_asks_the_stable_revision(stand: Stand) -> None:
    begin(stand)
    stand.count("v2", requests=500, refused=400)
    stand.held()
    assert stand.weights() == {"v2": 50, "v1": 50}


def test_what_the_stable_revision_fails_as_well_is_not_held_against_the_new_one(stand: Stand) -> None:
    begin(stand)
    stand.count("v1", 900, failed=100)
    stand.count("v2", 100, failed=10)
    stand.held()
    assert stand.weights() == {"v2": 50, "v1": 50}


def test_a_version_that_does_not_load_gets_no_requests_and_is_rolled_back(stand: Stand) -> None:
    stand.host.broken = True
    switches = len(stand.gateway.switches)
    stand.source.live["fuel"] = "v2"
    stand.turn()
    assert len(stand.gateway.switches) == switches
    (rollout,) = stand.rollouts()
    assert rollout.state is RolloutState.ROLLED_BACK
    assert "its predictor did not come up: the predictor did not start: broken" in rollout.reason
    assert stand.source.live["fuel"] == "v1"
    assert stand.told() == [("started", 0), ("rolled_back", 0)]
    assert stand.turn().reason is Reason.SERVING


@pytest.mark.parametrize("state", [PredictorState.RESTARTING, PredictorState.READY])
def test_a_predictor_that_dies_in_the_canary_ends_it(stand: Stand, state: PredictorState) -> None:
    begin(stand)
    died = PredictorStatus(state=state, pid=1, restarts=1, message="ended with -9")
    stand.host.states[stand.revision("v2")] = died
    stand.turn()
    assert stand.weights() == {"v1": 100}
    (rollout,) = stand.rollouts()
    assert "its predictor died" in rollout.reason


def test_a_rollback_by_a_person_ends_it_at_once(stand: Stand) -> None:
    begin(stand)
    started = len(stand.host.launches)
    stand.source.move_back("fuel", "v1")
    stand.turn()
    assert stand.weights() == {"v1": 100}
    assert len(stand.host.launches) == started
    (rollout,) = stand.rollouts()
    assert (rollout.state, rollout.reason, rollout.changed_by) == (
        RolloutState.ROLLED_BACK,
        "ada rolled it back",
        "ada",
    )


def test_a_newer_version_takes_the_place_of_one_under_way(stand: Stand) -> None:
    begin(stand)
    begin(stand, "v3")
    assert stand.states() == {"v1": RevisionState.LIVE, "v2": RevisionState.STOPPED, "v3": RevisionState.CANARY}
    assert [each.state for each in stand.rollouts()] == [RolloutState.HOLDING, RolloutState.SUPERSEDED]
    stand.held()
    stand.held()
    assert stand.weights() == {"v3": 100}


def test_a_gateway_that_counts_anew_loses_no_evidence(stand: Stand) -> None:
    begin(stand)
    stand.count("v2", 30, failed=1)
    stand.turn()
    stand.gateway.counted.clear()
    stand.count("v2", 20, failed=11)
    stand.turn()
    (rollout,) = stand.rollouts()
    assert (rollout.watched.canary.requests, rollout.watched.canary.failed) == (50, 12)
    assert rollout.state is RolloutState.ROLLED_BACK


def test_nothing_is_written_while_nothing_happens(stand: Stand) -> None:
    begin(stand)
    stand.turn()
    before, switches = stand.rollouts(), len(stand.gateway.switches)
    for _ in range(3):
        stand.turn()
        stand.reconciler.sync()
    assert stand.rollouts() == before
    assert len(stand.gateway.switches) == switches


class Killed(BaseException):
    """The controller is gone."""


class Kill:
    """Ends a controller before its n-th transaction that writes, or its n-th switch of the gateway."""

    def __init__(self, at: int) -> None:
        self.at, self.seen = at, 0

    def look(self, *_: Any) -> None:
        self.seen += 1
        if self.seen == self.at:
            raise Killed


class KillingGateway(MemoryGateway):
    """The kill comes right after the switch."""

    def __init__(self, gateway: MemoryGateway, kill: Kill) -> None:
        self.__dict__ = gateway.__dict__
        self._kill = kill

    def switch(self, services: Any) -> None:
        super().switch(services)
        self._kill.look()


def another_controller(stand: Stand, kill: Kill | None = None) -> Stand:
    """A controller that knows nothing; predictors, gateway and pointers are as they were."""
    database = stand.site.database
    if kill is not None:

        def look(_: Connection) -> None:
            kill.look()

        database = database.demanding(look)
    made = Stand(replace(stand.site, database=database), stand.people, stand.host)
    made.site, made.clock = stand.site, stand.clock
    made.host, made.source.__dict__ = stand.host, stand.source.__dict__
    if kill is None:
        made.gateway.__dict__ = stand.gateway.__dict__
    else:
        made.reconciler._routing._gateway = KillingGateway(stand.gateway, kill)
        made.gateway = stand.gateway
    return made


@pytest.mark.parametrize("breaks", [False, True])
def test_killed_at_any_point_the_same_rollout_goes_on(still_site: Site, clock: FixedClock, breaks: bool) -> None:
    """For each n: the controller is killed before its n-th write or after its n-th switch, and another one goes on."""
    at = 0
    stand = stand_at(still_site, clock)
    while True:
        at += 1
        kill = Kill(at)
        version, before, told_before = f"v{at + 1}", len(stand.rollouts()), len(stand.told())
        stable = stand.source.live["fuel"]
        stand.source.live["fuel"] = version
        first = another_controller(stand, kill)
        killed = _lead(first, version, breaks)
        after = another_controller(stand)
        assert not _lead(after, version, breaks)
        ended = stand.rollouts()[0]
        assert len(stand.rollouts()) == before + 1, at
        wanted, answers = (RolloutState.ROLLED_BACK, stable) if breaks else (RolloutState.PROMOTED, version)
        assert (ended.state, after.weights()) == (wanted, {answers: 100}), at
        told = Counter(stand.told()[told_before:])
        assert max(told.values()) == 1, f"{at}: {told}"
        assert all(len(routes) == 1 for routes in stand.gateway.switches), "the service was always routed"
        if not killed:
            break
    assert at > 10


def _lead(stand: Stand, version: str, breaks: bool) -> bool:
    """Rounds until nothing is left to do; True when the controller was killed."""
    try:
        for _ in range(8):
            stand.reconciler.sync()
            stand.turn()
            if breaks and any(each.is_active for each in stand.rollouts()):
                stand.count(version, 50, failed=50)
            stand.clock.advance(PLAN.hold_seconds + 1)
    except Killed:
        return True
    return False


def test_a_version_that_came_while_nobody_led_still_goes_by_steps(stand: Stand) -> None:
    stand.source.live["fuel"] = "v2"
    stand.source.wanted(get_service(stand.site, stand.people.author, "fuel"))
    after = another_controller(stand)
    after.reconciler.sync()
    assert after.weights() == {"v1": 100}, "it answers on while the new one is loaded"
    after.turn()
    assert after.weights() == {"v2": 10, "v1": 90}
