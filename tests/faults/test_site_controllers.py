"""SIGSTOP of a real controller past its lease, then SIGCONT: another one led meanwhile, and nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.command_line import CommandLine, until
from tests.faults.armed import Fault
from tests.faults.searching import write_search
from tests.processes import ended

from tidemill.base.home import open_home

BEFORE_A_TRIAL = "tuning/advance.py:_start"
LONG_AGO = "2001-01-01T00:00:00.000000Z"
TRIALS = 3


@pytest.fixture
def fault(tmp_path: Path) -> Fault:
    """Armed from the start: the first trial of the first controller."""
    made = Fault(tmp_path / "armed", [BEFORE_A_TRIAL])
    made.arm(BEFORE_A_TRIAL, signal.SIGSTOP)
    return made


@pytest.fixture
def tidemill(tmp_path: Path, fault: Fault) -> Iterator[CommandLine]:
    """A site without a gateway, in the folder of a project with a tuning; it is down afterwards."""
    write_search(tmp_path, trials=TRIALS, parallel=1)
    made = CommandLine(folder=tmp_path, home=tmp_path / "home", variables=fault.variables)
    made("up", "--detach", "--no-gateway", "--port", "0")
    yield made
    made("down")


def test_a_controller_that_slept_past_its_lease_starts_no_trial_that_another_one_started(
    tidemill: CommandLine, fault: Fault
) -> None:
    argv = [sys.executable, "-m", "tidemill.supervisor.roles", "controller", str(tidemill.home)]
    with tidemill.begun("tune", "--json") as client:
        fault.until_fired()
        first = int(_sql(tidemill, "SELECT holder FROM lease WHERE name = 'controller'")[0][0].split("-")[1])
        until(lambda: _is_stopped(first), "the stop of the first controller")
        # its sleep is long: what it held has run out
        _sql(tidemill, f"UPDATE lease SET expires_at = '{LONG_AGO}'")
        _sql(tidemill, f"UPDATE trial SET claimed_until = '{LONG_AGO}'")
        try:
            with ended(subprocess.Popen(argv, env=tidemill.environment, stderr=subprocess.DEVNULL)):
                output, said = client.communicate(timeout=90)
                assert client.returncode == 0, output + said
                tuning: dict[str, Any] = json.loads(output.splitlines()[-1])
                os.kill(first, signal.SIGCONT)
                log = tidemill.home / "logs" / "controller.log"
                until(lambda: "lost the lease" in log.read_text(), "the refusal of what the first one wrote")
        finally:
            os.kill(first, signal.SIGCONT)
    assert tuning["state"] == "succeeded"
    runs = {row[0] for row in _sql(tidemill, "SELECT id FROM run")}
    assert runs == {trial["run_id"] for trial in tuning["trials"]}
    assert len(runs) == TRIALS


def _sql(tidemill: CommandLine, statement: str) -> list[Any]:
    """Look into the database itself, or change it, as no controller would."""
    with closing(sqlite3.connect(open_home(tidemill.home).database, timeout=20)) as connection, connection:
        return connection.execute(statement).fetchall()


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
