"""kill -9 of the server inside a request that changes something: the command ends well, and it is done once."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.acceptance.command_line import CommandLine
from tests.faults.armed import Fault
from tests.faults.searching import write_search

from tidemill.base.home import open_home

BEFORE_A_RUN = "engine/submit.py:submit_run"
BEFORE_THE_ANSWER = "server/idempotency.py:_end"


@pytest.fixture(scope="module")
def fault(tmp_path_factory: pytest.TempPathFactory) -> Fault:
    """The fault of this module's site."""
    return Fault(tmp_path_factory.mktemp("fault") / "armed", [BEFORE_A_RUN, BEFORE_THE_ANSWER])


@pytest.fixture(scope="module")
def tidemill(tmp_path_factory: pytest.TempPathFactory, fault: Fault) -> Iterator[CommandLine]:
    """A site without a gateway, in the folder of a project with a tuning; it is down afterwards."""
    folder = tmp_path_factory.mktemp("site")
    write_search(folder, trials=2, parallel=2)
    made = CommandLine(folder=folder, home=folder / "home", variables=fault.variables)
    made("up", "--detach", "--no-gateway", "--port", "0")
    yield made
    made("down")


@pytest.mark.parametrize("moment", [BEFORE_A_RUN, BEFORE_THE_ANSWER])
def test_a_run_is_made_once_and_seen_through(tidemill: CommandLine, fault: Fault, moment: str) -> None:
    before = _runs(tidemill)
    fault.arm(moment, signal.SIGKILL)
    outcome = tidemill.json("run", "search.json", "-p", "alpha=0.5", "--no-cache")
    assert fault.has_fired
    assert outcome["state"] == "SUCCEEDED"
    assert _runs(tidemill) - before == {outcome["run_id"]}


def test_a_tuning_is_made_once_and_seen_through(tidemill: CommandLine, fault: Fault) -> None:
    before = _runs(tidemill)
    fault.arm(BEFORE_THE_ANSWER, signal.SIGKILL)
    tuning = tidemill.json("tune")
    assert fault.has_fired
    assert tuning["state"] == "succeeded"
    made = _runs(tidemill) - before
    assert made == {trial["run_id"] for trial in tuning["trials"]}
    assert len(made) == 2


def _runs(tidemill: CommandLine) -> set[str]:
    """The ids of all runs, from the database itself."""
    with closing(sqlite3.connect(open_home(tidemill.home).database)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM run")}
