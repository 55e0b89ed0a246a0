"""What people do about a rollout, with the gate's own pointers: promote, pause, resume, roll back, bring back."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conftest import FixedClock, people_of
from tests.unit.gate.candidates import add_version, make_tables, open_for
from tests.unit.serving.test_reconcile import MemorySource
from tests.unit.serving.test_rollout import PLAN, Stand, spec

from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound
from tidemill.base.site import Site
from tidemill.gate import approve, verify_audit
from tidemill.gate.audit import read_audit
from tidemill.registry import live_pointer
from tidemill.serving import Reason, RevisionState, Service, apply_service
from tidemill.serving.rollout.model import RolloutState
from tidemill.serving.rollout.plan import RolloutPlan
from tidemill.serving.rollout.steer import pause, promote, resume, roll_back
from tidemill.serving.source import ModelSource, Proven, RegistrySource, Wanted


class GateSource(MemorySource):
    """Decisions are the gate's; packages are there at once."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._gate = RegistrySource(site)

    def wanted(self, service: Service) -> Wanted | None:
        return self._gate.wanted(service)

    def proven(self, service: Service, model_version_id: str) -> Proven:
        return self._gate.proven(service, model_version_id)

    def before(self, service: Service, generation: int) -> Proven | None:
        return self._gate.before(service, generation)

    def take_back(self, service: Service, model_version_id: str, generation: int) -> None:
        self._gate.take_back(service, model_version_id, generation)


class Gated(Stand):
    """Versions are approved by people, named v1, v2, ... as they come."""

    def __init__(self, site: Site, clock: FixedClock, plan: RolloutPlan = PLAN) -> None:
        people = people_of(site)
        apply_service(site, people.author, spec(plan))

        def gated(_: MemorySource) -> ModelSource:
            return GateSource(site)

        super().__init__(site, people, wrap=gated)
        make_tables(site)
        self.clock = clock
        self.names: dict[str, str] = {}
        self.digests: dict[str, str] = {}

    def approve(self) -> None:
        version = add_version(self.site, self.people.author)
        name = f"v{len(self.names) + 1}"
        self.names[version.id], self.digests[name] = name, version.package_digest
        approve(
            self.site, self.people.approver, open_for(self.site, self.people.author, version).id, version.package_digest
        )
        self.turn()

    def revision(self, version: str) -> str:
        return next(each.revision_id for each in self.host.launches if self._name(each) == version)

    def weights(self) -> dict[str, int]:
        return {self.names[each]: percent for each, percent in super().weights().items()}

    def live(self) -> str:
        """The version that the live pointer names, and who moved it there."""
        pointer = live_pointer(self.site, self.people.owner, environment="production", service="fuel")
        assert pointer is not None
        return f"{self.names[pointer.model_version_id]} by {pointer.moved_by}"

    def _name(self, launch: Any) -> str:
        return self.names[launch.argument["source"]["model_version_id"]]


@pytest.fixture
def stand(still_site: Site, clock: FixedClock) -> Gated:
    """v1 answers, and v2 gets 10 %."""
    made = Gated(still_site, clock)
    made.approve()
    made.approve()
    assert made.weights() == {"v2": 10, "v1": 90}
    return made


def test_promote_gives_the_next_share_or_the_one_that_is_named(stand: Gated) -> None:
    olga = stand.people.owner
    for to, share in ((None, 50), (30, 30)):
        rollout = promote(stand.site, olga, "fuel", to=to)
        assert rollout is not None
        assert (rollout.percent, rollout.changed_by, rollout.state) == (share, olga.person, RolloutState.STEPPING)
        stand.turn()
        assert stand.weights() == {"v2": share, "v1": 100 - share}
    promote(stand.site, olga, "fuel", to=100)
    stand.turn()
    assert stand.weights() == {"v2": 100}
    assert stand.turn().reason is Reason.SERVING
    told = read_audit(stand.site, olga, limit=1000)
    assert [(each.person, each.data["percent"]) for each in told if each.kind == "rollout.stepped"] == [
        ("serving", 10),
        (olga.person, 50),
        (olga.person, 30),
        (olga.person, 100),
    ]
    assert verify_audit(stand.site, olga) == len(told)


def test_a_paused_rollout_waits_under_its_guards_until_it_is_resumed(stand: Gated) -> None:
    assert pause(stand.site, stand.people.owner, "fuel").paused
    for _ in range(3):
        stand.held()
    assert stand.weights() == {"v2": 10, "v1": 90}
    assert "paused by" in stand.turn().message
    assert not resume(stand.site, stand.people.approver, "fuel").paused
    stand.turn()
    assert stand.weights() == {"v2": 10, "v1": 90}, "the step is held anew"
    stand.held()
    assert stand.weights() == {"v2": 50, "v1": 50}
    pause(stand.site, stand.people.owner, "fuel")
    stand.count("v2", 100, failed=50)
    stand.turn()
    assert stand.weights() == {"v1": 100}


def test_a_guard_moves_the_pointer_back_signed_and_promote_brings_the_version_again(stand: Gated) -> None:
    stand.count("v2", 100, failed=50)
    stand.turn()
    assert stand.live() == "v1 by serving"
    assert stand.turn().reason is Reason.SERVING
    kinds = [each.kind for each in read_audit(stand.site, stand.people.owner, limit=1000)]
    assert kinds[-2:] == ["rollout.rolled_back", "pointer.moved"]
    with pytest.raises(Conflict, match="no rollout of fuel is under way"):
        promote(stand.site, stand.people.owner, "fuel", to=100)
    assert promote(stand.site, stand.people.owner, "fuel") is None
    assert stand.live() == f"v2 by {stand.people.owner.person}"
    stand.turn()
    assert stand.weights() == {"v2": 10, "v1": 90}
    assert [each.state for each in stand.rollouts()] == [RolloutState.HOLDING, RolloutState.ROLLED_BACK]


def test_a_rollback_in_a_rollout_goes_back_to_what_answers(stand: Gated) -> None:
    stand.approve()
    assert stand.weights() == {"v3": 10, "v1": 90}
    started = len(stand.host.launches)
    roll_back(stand.site, stand.people.owner, "fuel")
    stand.turn()
    assert stand.live() == f"v1 by {stand.people.owner.person}", "v2 never got beyond its share"
    assert stand.weights() == {"v1": 100}
    assert len(stand.host.launches) == started
    assert stand.rollouts()[0].reason == f"{stand.people.owner.person} rolled it back"


def test_a_rollback_after_a_rollout_goes_back_to_what_it_began_with(stand: Gated) -> None:
    stand.approve()
    promote(stand.site, stand.people.owner, "fuel", to=100)
    stand.turn()
    assert stand.weights() == {"v3": 100}
    roll_back(stand.site, stand.people.owner, "fuel")
    stand.turn()
    assert stand.weights() == {"v1": 100}
    assert stand.states()[next(iter(stand.names))] is RevisionState.LIVE


def test_an_approval_while_a_guard_decides_is_not_undone(stand: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the guard's decision and its move of the pointer v3 was approved: the pointer stays there."""
    stand.count("v2", 100, failed=50)
    take_back = GateSource.take_back

    def late(source: GateSource, *given: Any) -> None:
        monkeypatch.setattr(GateSource, "take_back", take_back)
        version = add_version(stand.site, stand.people.author)
        stand.names[version.id] = "v3"
        review = open_for(stand.site, stand.people.author, version)
        approve(stand.site, stand.people.approver, review.id, version.package_digest)
        take_back(source, *given)

    monkeypatch.setattr(GateSource, "take_back", late)
    stand.turn()
    assert stand.live().startswith("v3")
    stand.turn()
    assert stand.weights() == {"v3": 10, "v1": 90}


def test_what_came_at_once_since_is_not_pushed_aside_by_promote(stand: Gated) -> None:
    stand.count("v2", 100, failed=50)
    stand.turn()
    apply_service(stand.site, stand.people.author, spec(RolloutPlan()))
    stand.approve()
    assert stand.weights() == {"v3": 100}
    with pytest.raises(Conflict, match="no rollout"):
        promote(stand.site, stand.people.owner, "fuel")


@pytest.mark.parametrize("verb", [promote, pause, resume])
def test_who_may_not_operate_moves_nothing_and_that_is_recorded(stand: Gated, verb: Any) -> None:
    with pytest.raises(Forbidden):
        verb(stand.site, stand.people.viewer, "fuel")
    assert read_audit(stand.site, stand.people.owner, limit=1000)[-1].kind == "rollout.refused"
    with pytest.raises(NotFound):
        verb(stand.site, stand.people.owner, "nothing")


@pytest.mark.parametrize("share", [0, -1, 101])
def test_a_share_that_is_none_is_refused(stand: Gated, share: int) -> None:
    with pytest.raises(InvalidInput):
        promote(stand.site, stand.people.owner, "fuel", to=share)


def test_without_a_rollout_there_is_nothing_to_steer(still_site: Site, clock: FixedClock) -> None:
    stand = Gated(still_site, clock)
    stand.approve()
    for verb in (promote, pause, resume):
        with pytest.raises(Conflict, match="no rollout"):
            verb(stand.site, stand.people.owner, "fuel")
