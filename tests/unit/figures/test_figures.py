"""What processes and machine use: of real processes, over time, through the API."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.conftest import FixedClock, people_of
from tests.unit.monitoring.traffic import open_stage

from tidemill.access import local_token
from tidemill.base.site import Site
from tidemill.figures import Board, ProcessFigures, board
from tidemill.figures.keep import keep_sample, kept_samples
from tidemill.figures.sample import Sampler, gpus_of
from tidemill.figures.services import service_figures
from tidemill.platform import Platform
from tidemill.server.app import create_app
from tidemill.serving import list_revisions

# allocates 40 MB, has a child that allocates 20 MB, and waits for the end of its input
HUNGRY = """
import subprocess, sys
kept = b"x" * 40_000_000
child = "import sys; kept = b'y' * 20_000_000; print('there', flush=True); sys.stdin.read()"
below = subprocess.Popen([sys.executable, "-c", child])
below.wait()
"""


@pytest.fixture
def hungry() -> Iterator[int]:
    """A process with a child; both are there, and hold what they hold."""
    with subprocess.Popen(
        [sys.executable, "-c", HUNGRY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        yield process.pid
        process.communicate("")


def status(name: str, pid: int | None, restarts: int = 0) -> dict[str, Any]:
    return {"name": name, "state": "RUNNING", "pid": pid, "restarts": restarts}


def test_a_process_is_counted_with_those_below_it_and_the_supervisor_is_found(site: Site, hungry: int) -> None:
    told = [status("server", hungry, 2), status("worker", None), status("gone", 2**22 - 1)]
    sample = Sampler(site.home.path, site.clock, lambda: told).take()
    figures = {each.name: each for each in sample.processes}
    assert list(figures) == ["supervisor", "server", "worker", "gone"]
    assert figures["server"].processes == 2
    assert 60_000_000 < figures["server"].memory_bytes < 200_000_000
    assert figures["server"].restarts == 2
    assert (figures["gone"].processes, figures["worker"].memory_bytes) == (0, 0)
    assert figures["supervisor"].processes >= 1, "it is this very process, without the two below it"
    machine = sample.machine
    assert 0 < machine.memory_available_bytes < machine.memory_total_bytes
    assert 0 < machine.disk_free_bytes < machine.disk_total_bytes
    assert machine.cores == os.cpu_count()
    assert machine.uptime_seconds is None or 0 < machine.uptime_seconds < 10**9


def test_a_sample_is_shared_for_some_seconds_and_an_hour_of_them_stays(still_site: Site, clock: FixedClock) -> None:
    made = Board(still_site.home, clock, lambda: [])
    first = made.now()
    assert made.now() is first
    clock.advance(5)
    assert made.now() is not first
    for _ in range(800):
        clock.advance(5)
        made.now()
    assert len(made.history(10)) == 121
    hour = made.history(60)
    assert len(hour) <= board.MOST_SHOWN
    assert hour[-1] is made.now(), "thinned out from the newest on"


def test_a_sample_a_minute_is_kept_for_two_weeks_and_joined_with_those_in_memory(
    still_site: Site, clock: FixedClock
) -> None:
    made = Board(still_site.home, clock, lambda: [])
    sample = made.now()
    old = replace(sample, at=clock.now() - timedelta(days=15))
    minutes = [replace(sample, at=clock.now() - timedelta(minutes=minute)) for minute in range(1, 120)]
    for each in (old, *minutes, sample):
        keep_sample(still_site.home, each)
    assert kept_samples(still_site.home, old.at, old.at + timedelta(hours=1)) == []
    joined = made.history(90)
    assert len(joined) == 91, "the newest is in memory and in the file, and comes once"
    assert [each.at for each in joined] == sorted({each.at for each in joined})
    assert joined[0] == minutes[89]


def test_a_file_that_is_no_database_is_an_error_and_the_board_goes_on(still_site: Site, clock: FixedClock) -> None:
    made = Board(still_site.home, clock, lambda: [])
    (still_site.home.telemetry / "figures.db").write_bytes(b"no database" * 1000)
    with pytest.raises(OSError, match="figures"):
        keep_sample(still_site.home, made.now())

    class Turns:
        left = 3

        def wait(self, seconds: float) -> bool:
            clock.advance(70)
            self.left -= 1
            return self.left == 0

    turns: Any = Turns()
    made.run(turns)
    assert len(made.history(5)) == 3


def test_what_nvidia_smi_prints_is_read_and_what_it_does_not_know_is_left_out() -> None:
    (found,) = gpus_of("Card 1, 35, 1024, 16384\nCard 2, [N/A], 0, 1\n\nnonsense\n")
    assert (found.name, found.busy_percent, found.memory_used_bytes) == ("Card 1", 35.0, 2**30)


def test_the_api_gives_figures_now_and_before(platform: Platform, hungry: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(_home: object) -> Sequence[dict[str, Any]]:
        return [status("worker", hungry)]

    monkeypatch.setattr("tidemill.server.app.processes_of", told)
    client = TestClient(create_app(platform), base_url="http://localhost")
    owner = {"Authorization": f"Bearer {local_token(platform.site)}"}
    now = client.get("/api/v1/figures", headers=owner).json()
    assert [each["name"] for each in now["processes"]] == ["worker"]
    assert now["services"] == []
    (before,) = client.get("/api/v1/figures/history?minutes=5", headers=owner).json()
    assert before["at"] == now["at"]
    assert client.get("/api/v1/figures/history?minutes=0", headers=owner).status_code == 400
    assert client.get("/api/v1/figures").status_code == 401


def test_a_service_uses_what_its_predictors_use(still_site: Site, clock: FixedClock) -> None:
    stage = open_stage(still_site, people_of(still_site))
    (revision,) = list_revisions(still_site, stage.people.viewer, stage.service)[:1]
    machine = Board(still_site.home, clock, lambda: []).now()
    one = ProcessFigures(
        name=f"predictor {revision.id[-12:]}", state="RUNNING", restarts=1, processes=1, cpu_percent=2.0, memory_bytes=5
    )
    other = replace(one, name="predictor of-another1")
    sample = replace(machine, processes=(one, other))
    (found,) = service_figures(still_site, stage.people.viewer, sample)
    assert (found.service, found.predictors, found.memory_bytes) == ("fuel", 1, 5)
    assert found.revisions == {one.name: str(revision.number)}
    assert (found.requests, found.p95_ms) == (None, None), "no gateway is there to count"


def test_history_can_be_asked_for_fewer_samples(still_site: Site, clock: FixedClock) -> None:
    made = Board(still_site.home, clock, lambda: [])
    for _ in range(100):
        clock.advance(5)
        made.now()
    few = made.history(60, most=30)
    assert 20 <= len(few) <= 30
    assert few[-1] is made.now()
