"""Ctrl-C in `tidemill tune` without a site: the trials in flight end, what has ended is kept, and it goes on later."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from tests.acceptance.command_line import CommandLine, until
from tests.faults.searching import write_search

from tidemill.base.process import start_ticks

TRIALS = 4
MEASURE = """
echo $$ >> {effects}/started
mkdir {effects}/slot 2>/dev/null || while ! test -e {effects}/go; do sleep 0.02; done
printf %s "$1" > "$2"
"""
"""The first body ends at once, the others wait until the file `go` is there; each notes its process."""


@pytest.fixture
def tidemill(tmp_path: Path) -> CommandLine:
    """A project with a tuning, and a home without a site."""
    write_search(tmp_path, trials=TRIALS, parallel=2, script=MEASURE.format(effects=tmp_path))
    return CommandLine(folder=tmp_path, home=tmp_path / "home")


def test_ctrl_c_ends_the_trials_in_flight_and_the_tuning_goes_on_later(tidemill: CommandLine) -> None:
    with tidemill.begun("tune") as command:
        until(lambda: len(_started(tidemill)) >= 3, "the start of the trials that wait")
        os.killpg(command.pid, signal.SIGINT)  # as a terminal does
        output, said = command.communicate(timeout=60)
    assert command.returncode == 130, output + said
    assert "Traceback" not in said
    assert [start_ticks(int(pid)) for pid in _started(tidemill)] == [None] * 3, "a step goes on"
    told = re.search(rf"1 of {TRIALS} trials .* tidemill tune --resume (\w+)", said)
    assert told is not None, said
    (tidemill.folder / "go").touch()
    tuning = tidemill.json("tune", "--resume", told[1])
    assert [trial["state"] for trial in tuning["trials"]] == ["succeeded"] * TRIALS
    assert len(tidemill.json("runs", "list")) == TRIALS, "a trial was made twice"
    assert not list((tidemill.home / "work").iterdir()), "a folder of a step that was ended is left"


def _started(tidemill: CommandLine) -> list[str]:
    """The processes of the bodies that started."""
    path = tidemill.folder / "started"
    return path.read_text().splitlines() if path.exists() else []
