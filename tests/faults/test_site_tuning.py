"""kill -9 of the controller and the worker in the middle of a tuning: each trial is made once, the best is found."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.command_line import CommandLine, until
from tests.faults.searching import write_search

TRIALS = 6
CLIENT_SECONDS = 90.0
MEASURE = """
echo "$1" >> {effects}/started
mkdir {effects}/slot-0 2>/dev/null || mkdir {effects}/slot-1 2>/dev/null ||
  while ! test -e {effects}/go; do sleep 0.02; done
echo "$1" >> {effects}/ended
printf %s "$1" > "$2"
"""
"""The loss is alpha itself; the first two bodies take a slot and end at once, the others wait until `go` is there."""


@pytest.fixture
def tidemill(tmp_path: Path) -> Iterator[CommandLine]:
    """A project with a tuning, and its site without a gateway; it is down afterwards."""
    write_search(tmp_path, trials=TRIALS, parallel=2, script=MEASURE.format(effects=tmp_path))
    made = CommandLine(folder=tmp_path, home=tmp_path / "home")
    made("up", "--detach", "--no-gateway", "--port", "0")
    yield made
    made("down")


def test_a_tuning_goes_on_when_its_controller_and_its_worker_are_killed(tidemill: CommandLine) -> None:
    with tidemill.begun("tune", "--json") as client:
        until(lambda: len(_noted(tidemill, "started")) >= 4, "the start of the trials that wait")
        before = _processes(tidemill)
        for name in ("controller", "worker"):
            os.kill(before[name]["pid"], signal.SIGKILL)
        until(
            lambda: all(
                _processes(tidemill)[name]["pid"] not in {None, before[name]["pid"]}
                for name in ("controller", "worker")
            ),
            "another controller and another worker",
        )
        assert client.poll() is None, "the client was refused"
        (tidemill.folder / "go").touch()
        output, said = client.communicate(timeout=CLIENT_SECONDS)
    assert client.returncode == 0, output + said
    tuning = json.loads(output.splitlines()[-1])
    assert [trial["state"] for trial in tuning["trials"]] == ["succeeded"] * TRIALS
    assert len({trial["run_id"] for trial in tuning["trials"]}) == TRIALS
    assert all(trial["value"] == trial["parameters"]["alpha"] for trial in tuning["trials"])
    assert tuning["best"]["value"] == min(trial["value"] for trial in tuning["trials"])
    assert len(tidemill.json("runs", "list")) == TRIALS
    assert len(_noted(tidemill, "ended")) == TRIALS
    assert len(_noted(tidemill, "started")) == TRIALS + 2, "the two bodies that were cut off ran again, no other"


def _noted(tidemill: CommandLine, name: str) -> list[str]:
    path = tidemill.folder / name
    return path.read_text().splitlines() if path.exists() else []


def _processes(tidemill: CommandLine) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in tidemill.json("status")["processes"]}
