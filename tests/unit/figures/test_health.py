"""Alerts about the site: raised after some minutes, resolved after some, told and silenced as any other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from tests.conftest import FixedClock, People, people_of
from tests.unit.monitoring.traffic import open_stage

from tidemill.access import DEFAULT_NAMESPACE, Actor, Role, ensure_namespace
from tidemill.base.errors import Forbidden, NotFound
from tidemill.base.events import Event, events_after
from tidemill.base.site import Site
from tidemill.figures import HealthLimits, HealthWatch
from tidemill.figures.keep import keep_sample
from tidemill.figures.testing import FakeMachine
from tidemill.monitoring.alerts import Alert, acknowledge_alert, get_alert, list_alerts, silence_alert, tend_alerts
from tidemill.monitoring.alerts.model import AlertState
from tidemill.monitoring.rules import AlertKind, Rules, bind_rules
from tidemill.serving import list_revisions
from tidemill.serving.find import every_service

EVERY_STATE = tuple(AlertState)


@dataclass
class Watched:
    """A site whose machine tests turn as they like, with a leader that looks once a minute."""

    site: Site
    clock: FixedClock
    machine: FakeMachine
    watch: HealthWatch
    owner: Actor

    def minutes(self, count: int) -> None:
        """So many minutes pass, each with a sample that the leader looks at."""
        for _ in range(count):
            self.clock.advance(60)
            if self.machine.uptime_seconds is not None:
                self.machine.uptime_seconds += 60
            keep_sample(self.site.home, self.machine.take())
            self.watch.look(self.site)
            tend_alerts(self.site, every_service(self.site))

    def alerts(self) -> dict[str, AlertState]:
        """The state of each alert of the owner's namespace, the newest of a kind."""
        return {f"{each.name} {each.feature}".strip(): each.state for each in reversed(self.all())}

    def all(self) -> list[Alert]:
        return list_alerts(self.site, self.owner, states=EVERY_STATE)

    def told(self) -> list[Event]:
        with self.site.database.read() as connection:
            return events_after(
                connection,
                namespace_id=self.owner.namespace_id,
                number=0,
                kinds=["alert.raised", "alert.resolved"],
            )


@pytest.fixture
def watched(still_site: Site, clock: FixedClock) -> Watched:
    namespace = ensure_namespace(still_site, DEFAULT_NAMESPACE, created_by="olga")
    owner = Actor(person="olga", namespace_id=namespace.id, roles=frozenset({Role.OWNER}))
    machine = FakeMachine(clock, processes={"worker": ("RUNNING", 0), "mlflow": ("IDLE", 0)})
    return Watched(still_site, clock, machine, HealthWatch(HealthLimits()), owner)


def test_a_full_disk_is_raised_after_minutes_told_once_and_resolved_with_hysteresis(watched: Watched) -> None:
    watched.minutes(3)
    assert watched.alerts() == {}
    watched.machine.disk_percent = 93
    watched.minutes(2)
    assert watched.alerts() == {"disk": AlertState.PENDING}
    assert watched.told() == []
    watched.minutes(2)
    (raised,) = watched.all()
    assert (raised.state, raised.kind, raised.value, raised.threshold) == (AlertState.RAISED, AlertKind.HEALTH, 93, 90)
    assert (raised.service, raised.environment, raised.window_id) == ("", "", "")
    watched.machine.disk_percent = 89
    watched.minutes(10)
    assert watched.alerts() == {"disk": AlertState.RAISED}, "just below the limit is not well yet"
    watched.machine.disk_percent = 80
    watched.minutes(2)
    assert watched.alerts() == {"disk": AlertState.RAISED}
    watched.minutes(1)
    assert watched.alerts() == {"disk": AlertState.RESOLVED}
    assert watched.all()[0].message == "3 samples in a row are well"
    assert [(each.kind, each.subject_id, each.data["kind"]) for each in watched.told()] == [
        ("alert.raised", raised.id, "health"),
        ("alert.resolved", raised.id, "health"),
    ]
    watched.watch = HealthWatch(HealthLimits())
    watched.watch.look(watched.site)
    assert len(watched.told()) == 2, "a new leader looks again and tells nothing twice"


def test_what_is_gone_in_a_moment_is_told_to_nobody(watched: Watched) -> None:
    watched.minutes(2)
    watched.machine.memory_percent = 99
    watched.minutes(1)
    watched.machine.memory_percent = 50
    watched.minutes(1)
    assert watched.alerts() == {"memory": AlertState.LAPSED}
    assert watched.told() == []


def test_a_worker_that_is_gone_and_one_that_starts_again_and_again(watched: Watched) -> None:
    watched.minutes(2)
    watched.machine.processes["worker"] = ("WAITING", 1)
    watched.minutes(3)
    assert watched.alerts() == {"gone worker": AlertState.RAISED}
    watched.machine.processes["worker"] = ("RUNNING", 3)
    watched.minutes(3)
    assert watched.alerts() == {"gone worker": AlertState.RESOLVED, "restarts worker": AlertState.RAISED}
    watched.machine.processes["worker"] = ("RUNNING", 0)
    watched.minutes(14)
    assert watched.alerts()["restarts worker"] is AlertState.RESOLVED, "with a new supervisor it counts anew"


def test_a_process_that_is_asked_for_no_more_is_no_reason(watched: Watched) -> None:
    watched.minutes(4)
    del watched.machine.processes["mlflow"]
    watched.minutes(4)
    assert watched.alerts() == {}


def test_a_clock_that_jumps_is_told_one_that_was_asleep_or_started_anew_is_not(watched: Watched) -> None:
    watched.minutes(2)
    watched.clock.advance(8 * 3600)
    watched.machine.uptime_seconds = (watched.machine.uptime_seconds or 0) + 8 * 3600
    watched.minutes(3)
    watched.machine.uptime_seconds = 5.0
    watched.minutes(3)
    watched.machine.uptime_seconds = None
    watched.minutes(3)
    watched.machine.uptime_seconds = 1000.0
    watched.minutes(3)
    assert watched.alerts() == {}
    watched.clock.moment += timedelta(hours=2)
    watched.minutes(3)
    assert watched.alerts() == {"clock": AlertState.RAISED}
    assert watched.all()[0].value == 7200
    watched.minutes(14)
    assert watched.alerts() == {"clock": AlertState.RESOLVED}


def test_a_clock_that_is_set_back_is_told_too(watched: Watched) -> None:
    watched.minutes(15)
    watched.clock.moment -= timedelta(minutes=30)
    watched.minutes(4)
    assert watched.alerts() == {"clock": AlertState.RAISED}


def test_limits_can_be_turned_off_and_minutes_chosen(watched: Watched) -> None:
    watched.watch = HealthWatch(HealthLimits(disk_percent=0, memory_percent=0, restarts=0, clock_seconds=0, minutes=1))
    watched.minutes(2)
    watched.machine.disk_percent = watched.machine.memory_percent = 99
    watched.machine.processes["worker"] = ("RUNNING", 99)
    watched.clock.moment += timedelta(hours=2)
    watched.minutes(3)
    assert watched.alerts() == {}
    watched.machine.processes["worker"] = ("STOPPED", 99)
    watched.minutes(1)
    assert watched.alerts() == {"gone worker": AlertState.RAISED}


def test_it_is_silenced_acknowledged_and_seen_in_the_owners_namespace_alone(watched: Watched) -> None:
    others = ensure_namespace(watched.site, "others", created_by="olga")
    stranger = replace(watched.owner, namespace_id=others.id)
    viewer = replace(watched.owner, person="vera", roles=frozenset({Role.VIEWER}))
    watched.machine.disk_percent = 99
    watched.minutes(3)
    (pending,) = watched.all()
    assert list_alerts(watched.site, stranger, states=EVERY_STATE) == []
    with pytest.raises(NotFound):
        get_alert(watched.site, stranger, pending.id)
    with pytest.raises(NotFound):
        acknowledge_alert(watched.site, stranger, pending.id)
    assert get_alert(watched.site, viewer, pending.id) == pending
    with pytest.raises(Forbidden):
        acknowledge_alert(watched.site, viewer, pending.id)
    silence_alert(watched.site, watched.owner, pending.id, watched.clock.now() + timedelta(minutes=10))
    watched.minutes(5)
    assert watched.alerts() == {"disk": AlertState.RAISED}
    assert watched.told() == []
    watched.minutes(6)
    assert [each.kind for each in watched.told()] == ["alert.raised"], "its silence is over"
    assert acknowledge_alert(watched.site, watched.owner, pending.id).acknowledged_by == "olga"


def test_a_predictor_that_starts_again_and_again_is_an_alert_of_its_service(watched: Watched) -> None:
    people: People = people_of(watched.site)
    stage = open_stage(watched.site, people)
    (revision,) = list_revisions(watched.site, people.viewer, stage.service)[:1]
    name = f"predictor {revision.id[-12:]}"
    for restarts in range(6):
        watched.machine.processes[name] = ("RUNNING", restarts)
        watched.minutes(1)
    (found,) = list_alerts(watched.site, people.viewer, states=EVERY_STATE)
    assert (found.service, found.revision_id, found.name, found.feature) == ("fuel", revision.id, "restarts", "")
    assert found.state is AlertState.RAISED
    watched.minutes(15)
    (found,) = list_alerts(watched.site, people.viewer, states=EVERY_STATE)
    assert found.state is AlertState.RESOLVED
    with watched.site.database.write() as connection:
        bind_rules(connection, watched.site, people.owner, "fuel", Rules(alerts=(AlertKind.DRIFT,)))
    watched.machine.processes[name] = ("STOPPED", 20)
    watched.minutes(5)
    now = list_alerts(watched.site, people.viewer, states=EVERY_STATE)
    assert now == [found], "the rules of the service say that nobody wants to hear of it"
