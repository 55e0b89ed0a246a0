"""A controller that slept past its lease and goes on where it was: its writes are refused, nothing is overwritten.

Each named test goes red when the guard is off: `CONTROLLER_GUARDS_OFF=fencing pytest tests/unit/supervisor`.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.conftest import FixedClock, People, people_of
from tests.unit.serving.memory_host import MemoryHost
from tests.unit.serving.test_reconcile import Bench

from tidemill.base import leases
from tidemill.base.errors import TidemillError
from tidemill.base.leases import Lease, LeaseLost, take_lease
from tidemill.base.site import Site
from tidemill.engine import submit_run
from tidemill.engine.store import run_rows
from tidemill.engine.testing import Step, pipeline_of
from tidemill.serving import Access, RevisionState, ServiceSpec, apply_service, get_service
from tidemill.serving.gateway import Gateway, GatewayPlace
from tidemill.serving.gateway import envoy as envoy_module
from tidemill.serving.gateway.place import replace_file
from tidemill.serving.source import ModelSource
from tidemill.supervisor.controller import LEASE
from tidemill.supervisor.leading import LeasedPredictors
from tidemill.tuning import Direction, TuningRequest, advance_tuning, advance_tunings, parse_space, start_tuning
from tidemill.tuning import advance as advance_module
from tidemill.tuning.advance import CLAIM_LASTS

OFF = set(filter(None, os.environ.get("CONTROLLER_GUARDS_OFF", "").split(",")))
TUNING = TuningRequest(
    pipeline=pipeline_of(Step(name="only", inputs={"x": "$x"}), parameters={"x": float}),
    space=parse_space({"x": {"type": "float", "low": 0.0, "high": 1.0}}),
    objective="only.loss",
    direction=Direction.MINIMIZE,
    trials=1,
)


def _lead(site: Site, holder: str) -> Lease:
    lease = take_lease(site, name="controller", holder=holder, lasts=LEASE)
    assert lease is not None
    return lease


def _fenced(site: Site, lease: Lease) -> Site:
    return site if "fencing" in OFF else leases.fenced(site, lease)


class Story:
    """A first controller that leads; `pause` is its long sleep, after which a second one leads."""

    def __init__(self, site: Site, clock: FixedClock) -> None:
        self._site, self._clock = site, clock
        self.first = _fenced(site, _lead(site, "first"))

    def pause(self) -> Site:
        """The first sleeps past its lease; the second one's site."""
        self._clock.advance(LEASE.total_seconds() + CLAIM_LASTS.total_seconds())
        return _fenced(self._site, _lead(self._site, "second"))


@pytest.fixture
def story(still_site: Site, clock: FixedClock) -> Story:
    """A first controller on a site whose clock is moved by hand."""
    return Story(still_site, clock)


def _refused(work: Callable[[], object]) -> None:
    """Do it; with the guard on it is refused, with the guard off whatever happens the test looks at the result."""
    try:
        work()
    except LeaseLost:
        return
    except TidemillError:
        if not OFF:
            raise
        return
    assert OFF, "it was not refused"


def test_fencing_a_trial_that_another_controller_started_meanwhile_is_not_started_twice(
    still_site: Site, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = people_of(still_site)
    tuning = start_tuning(still_site, people.author, TUNING)

    def sleep_first(*given: Any) -> Any:
        monkeypatch.setattr(advance_module, "submit_run", submit_run)
        advance_tunings(story.pause())
        return submit_run(*given)

    monkeypatch.setattr(advance_module, "submit_run", sleep_first)
    _refused(lambda: advance_tunings(story.first))
    with still_site.database.read() as connection:
        runs = [row.id for row in connection.execute(select(run_rows.c.id))]
    trials = advance_tuning(still_site, people.author.namespace_id, tuning.id).trials
    assert runs == [trial.run_id for trial in trials]


class _SlowSource:
    """The pointers as the first controller saw them; while it prepares, it sleeps."""

    def __init__(self, source: Any, sleep: Callable[[], None]) -> None:
        self._source, self._sleep = source, sleep
        self._wanted: Any = None

    def wanted(self, service: Any) -> Any:
        return self._source.wanted(service)

    def proven(self, *given: Any) -> Any:
        return self._source.proven(*given)

    def before(self, *given: Any) -> Any:
        return self._source.before(*given)

    def take_back(self, *given: Any) -> None:
        self._source.take_back(*given)

    def is_intact(self, *given: Any) -> bool:
        return bool(self._source.is_intact(*given))

    def document(self, *given: Any) -> Any:
        return self._source.document(*given)

    def prepare(self, *given: Any) -> Any:
        prepared = self._source.prepare(*given)
        self._sleep()
        return prepared


def test_fencing_a_service_stays_as_the_next_controller_left_it(still_site: Site, story: Story) -> None:
    people = people_of(still_site)
    apply_service(still_site, people.author, ServiceSpec(name="fuel", access=Access.OPEN))
    host = MemoryHost()
    seconds: list[Bench] = []

    def sleep() -> None:
        if not seconds:
            second = _bench(story.pause(), people, host)
            seconds.append(second)
            second.source.live["fuel"] = "v2"  # approved while the first one slept
            assert second.turn().ready

    first = _bench(story.first, people, host, lambda source: _SlowSource(source, sleep))
    first.source.live["fuel"] = "v1"
    _quietly(first.turn)
    (second,) = seconds
    found = get_service(still_site, people.author, "fuel")
    assert (found.ready, found.message) == (True, "revision 2 (m@v2) answers")
    assert second.states() == {"v1": RevisionState.STOPPED, "v2": RevisionState.LIVE}
    assert [launch.argument["version"] for launch in host.launches] == ["2"], "the first one started no predictor"
    assert first.gateway.switches == []


def _bench(site: Site, people: People, host: MemoryHost, wrap: Callable[[Any], ModelSource] | None = None) -> Bench:
    made = Bench(site, people, LeasedPredictors(site, host), wrap)
    made.host = host
    return made


def _quietly(work: Callable[[], object]) -> None:
    """A reconciler logs that it leads no more; without the guard it may fail in other ways."""
    try:
        work()
    except TidemillError:
        assert OFF


class _QuietEnvoy:
    """The admin interface of an Envoy that took whatever was written."""

    def __init__(self, place: GatewayPlace) -> None:
        self._place = place

    def statistics(self, pattern: str) -> dict[str, str]:
        version = max(
            json.loads(path.read_bytes())["version_info"] for path in (self._place.clusters, self._place.routes)
        )
        return {"cluster_manager.cds.version_text": version, "http.rds.version_text": version}

    def refusals(self) -> list[str]:
        return []


@pytest.fixture
def place(tmp_path: Path) -> GatewayPlace:
    """Files of a gateway without services."""
    made = GatewayPlace(folder=tmp_path / "gateway", admin=tmp_path / "admin")
    made.folder.mkdir()
    for path in (made.clusters, made.routes):
        path.write_text(json.dumps({"version_info": "0", "resources": []}))
    return made


def test_fencing_the_files_of_the_gateway_stay_as_the_next_controller_wrote_them(
    story: Story, place: GatewayPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envoy_module, "Admin", lambda _: _QuietEnvoy(place))
    gateways = [Gateway(place, Path("s"), guard=story.first.database.write)]
    gateways[0].switch([])
    gateways.append(Gateway(place, Path("s"), guard=story.pause().database.write))
    gateways[1].switch([])
    written = place.routes.read_bytes()
    _refused(lambda: gateways[0].switch([]))
    assert place.routes.read_bytes() == written
    assert sorted(path.name for path in place.folder.iterdir()) == sorted([place.clusters.name, place.routes.name])


def test_nobody_takes_the_lease_while_a_file_is_moved(
    story: Story, place: GatewayPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    other = threading.Thread(target=lambda: order.append(f"led {bool(story.pause())}"))
    replace = Path.replace

    def slow(path: Path, target: Path) -> Path:
        other.start()
        other.join(0.3)  # it cannot come to an end here
        order.append("moved")
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", slow)
        replace_file(place.routes, {"version_info": "1"}, story.first.database.write)
    other.join()
    assert order == ["moved", "led True"]
