"""kill -9 of a zygote, of a predictor, of their supervisor: requests wait and are answered, nothing is left over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.predict.running import ROOT, environment, until
from tests.integration.serving.launches import launch_of, predict, start_ready
from tests.integration.serving.test_forked_predictors import parent_of
from tests.unit.predict.models import Slow

from tidemill.base.errors import Unavailable
from tidemill.base.process import start_ticks
from tidemill.serving.host import Forker, Launch, PredictorState, ProcessHost

CLIENTS, EACH = 4, 40

SUPERVISOR = """
import json, sys, time
from pathlib import Path
from tests.integration.serving.launches import launch_of, start_ready
from tests.integration.serving.test_forked_predictors import parent_of
from tidemill.serving.host import Forker, ProcessHost
folder = Path(sys.argv[1])
host = ProcessHost(Forker(folder / "zygotes.log"))
pids = [start_ready(host, launch_of(folder / name)) for name in ("first", "second")]
print(json.dumps([*pids, parent_of(pids[0])]), flush=True)
time.sleep(600)
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[ProcessHost]:
    made = ProcessHost(Forker(tmp_path / "zygotes.log"))
    yield made
    made.close()


def test_predictors_of_a_killed_zygote_are_back_and_no_request_is_refused(host: ProcessHost, tmp_path: Path) -> None:
    launches = [launch_of(tmp_path / name) for name in ("first", "second")]
    pids = [start_ready(host, each) for each in launches]
    zygote = parent_of(pids[0])
    os.kill(zygote, signal.SIGKILL)
    until(lambda: not any(start_ticks(pid) for pid in pids))
    # nobody waits for the next ones: these connections are made to sockets without a process
    assert {predict(each).status for each in launches} == {200}
    until(lambda: all(host.status(each.revision_id).state is PredictorState.READY for each in launches))
    told = [host.status(each.revision_id) for each in launches]
    assert [each.restarts for each in told] == [1, 1]
    parents = {parent_of(each.pid) for each in told if each.pid is not None}
    assert len(parents) == 1
    assert not parents & {zygote, os.getpid()}, "they are forks of one new zygote"


def test_a_killed_predictor_is_forked_again_and_no_request_is_refused(host: ProcessHost, tmp_path: Path) -> None:
    launch = launch_of(tmp_path / "first")
    pid = start_ready(host, launch)
    zygote = parent_of(pid)
    os.kill(pid, signal.SIGKILL)
    assert predict(launch).status == 200
    until(lambda: host.status(launch.revision_id).state is PredictorState.READY)
    again = host.status(launch.revision_id).pid
    assert again not in {None, pid}
    assert again is not None
    assert parent_of(again) == zygote


def test_under_load_only_what_was_being_answered_is_lost_with_a_zygote(host: ProcessHost, tmp_path: Path) -> None:
    launch = launch_of(tmp_path / "first")
    pid = start_ready(host, launch)
    answered: list[int] = []
    lost: list[str] = []
    clients = [threading.Thread(target=_ask_often, args=(launch, answered, lost)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    until(lambda: len(answered) > CLIENTS * EACH / 4)
    os.kill(parent_of(pid), signal.SIGKILL)
    for client in clients:
        client.join(60)
    assert len(answered) + len(lost) == CLIENTS * EACH
    assert set(answered) == {200}
    assert len(lost) <= CLIENTS, lost
    assert not [each for each in lost if "refused" in each.lower()]
    assert host.status(launch.revision_id).restarts == 1


def test_a_zygote_that_dies_before_its_predictor_was_ready_is_no_fault_of_the_model(
    host: ProcessHost, tmp_path: Path
) -> None:
    launch = launch_of(tmp_path / "slow", Slow(0.3))
    host.start(launch)
    pid = until(lambda: host.status(launch.revision_id).pid)
    os.kill(parent_of(pid), signal.SIGKILL)
    until(lambda: host.status(launch.revision_id).state is PredictorState.READY, 20)
    assert host.status(launch.revision_id).restarts == 1


def test_nothing_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)],
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout is not None
    with supervisor.stdout:
        pids = json.loads(supervisor.stdout.readline())
    *predictors, zygote = pids
    os.kill(zygote, signal.SIGSTOP)  # it cannot end them: their lifeline does
    assert all(start_ticks(pid) is not None for pid in pids)
    supervisor.kill()
    supervisor.wait()
    until(lambda: not any(start_ticks(pid) for pid in predictors))
    os.kill(zygote, signal.SIGCONT)
    until(lambda: start_ticks(zygote) is None)


def _ask_often(launch: Launch, answered: list[int], lost: list[str]) -> None:
    for _ in range(EACH):
        try:
            answered.append(predict(launch).status)
        except Unavailable as problem:
            lost.append(problem.message)
