"""What every source of figures keeps: the machine through psutil, and the one that tests turn as they like."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from tests.conftest import FixedClock

from tidemill.base.home import Home
from tidemill.base.site import Site
from tidemill.figures.sample import Sampler, Source
from tidemill.figures.testing import FakeMachine

TOLD: list[dict[str, Any]] = [
    {"name": "server", "state": "RUNNING", "pid": os.getpid(), "restarts": 2},
    {"name": "data", "state": "IDLE", "pid": None, "restarts": 0},
]
Make = Callable[[Home, FixedClock], Source]


def fake(_: Home, clock: FixedClock) -> Source:
    return FakeMachine(clock, processes={"server": ("RUNNING", 2), "data": ("IDLE", 0)})


def psutils(home: Home, clock: FixedClock) -> Source:
    return Sampler(home.path, clock, lambda: TOLD)


@pytest.mark.parametrize("make", [psutils, fake])
class TestSource:
    def test_percents_and_sizes_are_possible(self, still_site: Site, clock: FixedClock, make: Make) -> None:
        source = make(still_site.home, clock)
        machine = source.take().machine
        assert machine.cores >= 1
        assert 0 <= machine.cpu_percent <= 100
        assert 0 <= machine.memory_available_bytes <= machine.memory_total_bytes
        assert 0 <= machine.disk_free_bytes <= machine.disk_total_bytes
        assert machine.load_1m >= 0

    def test_a_sample_is_of_now_and_the_uptime_never_falls(
        self, still_site: Site, clock: FixedClock, make: Make
    ) -> None:
        source = make(still_site.home, clock)
        first = source.take()
        clock.advance(5)
        second = source.take()
        assert (first.at, second.at) == (clock.now().replace(second=0), clock.now())
        assert (second.machine.uptime_seconds or 0) >= (first.machine.uptime_seconds or 0)

    def test_each_process_is_in_it_once(self, still_site: Site, clock: FixedClock, make: Make) -> None:
        found = [each for each in make(still_site.home, clock).take().processes if each.name != "supervisor"]
        told = [(each.name, each.state, each.restarts) for each in found]
        assert told == [("server", "RUNNING", 2), ("data", "IDLE", 0)]
        assert all(each.memory_bytes >= 0 and each.processes >= 0 for each in found)
