"""Predictors as forks of a zygote: shared, small, and spawned where a fork cannot be had."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.predict.running import environment, until
from tests.integration.serving.launches import environment_of_a_site, launch_of, predict, start_ready

from tidemill.base.process import start_ticks
from tidemill.serving.host import Forker, Launch, ProcessHost
from tidemill.serving.host import zygote as zygote_module
from tidemill.serving.host.forked import Forked
from tidemill_runtime.fork import kernel

STARTS_A_THREAD = "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
ENDS_ITS_PROCESS = "import os; os._exit(9)"
NEVER_COMES_BACK = "import time; time.sleep(600)"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[ProcessHost]:
    made = ProcessHost(Forker(tmp_path / "zygotes.log"))
    yield made
    made.close()


@pytest.fixture
def with_module(tmp_path: Path) -> Callable[..., Launch]:
    """Makes launches whose zygote imports a module of this text first."""
    (tmp_path / "modules").mkdir()

    def make(name: str, text: str) -> Launch:
        (tmp_path / "modules" / "odd.py").write_text(text)
        paths = f"{tmp_path / 'modules'}:{environment()['PYTHONPATH']}"
        return launch_of(tmp_path / name, preload=("odd",), environment=environment_of_a_site(PYTHONPATH=paths))

    return make


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def private_kib(pid: int) -> int:
    """The memory that would be free without this process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def test_two_predictors_of_a_lock_share_a_zygote_and_cost_little_of_their_own(
    host: ProcessHost, tmp_path: Path
) -> None:
    first, second = launch_of(tmp_path / "first"), launch_of(tmp_path / "second")
    pids = [start_ready(host, each) for each in (first, second)]
    assert parent_of(pids[0]) == parent_of(pids[1]) != os.getpid()
    assert {predict(each).status for each in (first, second)} == {200}
    spawning = ProcessHost()
    try:
        spawned = launch_of(tmp_path / "spawned")
        alone = start_ready(spawning, spawned)
        assert predict(spawned).status == 200
        assert private_kib(pids[1]) < private_kib(alone) / 2
    finally:
        spawning.close()


def test_another_environment_has_another_zygote(host: ProcessHost, tmp_path: Path) -> None:
    other = launch_of(tmp_path / "other", environment=environment_of_a_site(PYTHONHASHSEED="1"))
    pids = [start_ready(host, each) for each in (launch_of(tmp_path / "first"), other)]
    assert parent_of(pids[0]) != parent_of(pids[1])


def test_what_the_package_brings_along_is_not_imported_by_the_zygote(host: ProcessHost, tmp_path: Path) -> None:
    launch = launch_of(tmp_path / "first")
    (tmp_path / "first" / "package" / "httptools.py").write_text("raise RuntimeError('the user\\'s own')")
    assert parent_of(start_ready(host, launch)) != os.getpid()


def test_a_zygote_ends_when_it_has_had_no_predictor_for_a_while(tmp_path: Path) -> None:
    host = ProcessHost(Forker(tmp_path / "zygotes.log", idle_seconds=0.2))
    try:
        first, second = launch_of(tmp_path / "first"), launch_of(tmp_path / "second")
        zygote = parent_of(start_ready(host, first))
        host.stop(first.revision_id)
        until(lambda: start_ticks(zygote) is None)
        assert parent_of(start_ready(host, second)) not in {zygote, os.getpid()}
    finally:
        host.close()


def test_a_library_that_starts_a_thread_has_the_predictor_spawned_and_is_left_out_afterwards(
    host: ProcessHost, with_module: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (with_module(name, STARTS_A_THREAD) for name in ("first", "second"))
    assert parent_of(start_ready(host, first)) == os.getpid()
    assert "odd starts a thread" in caplog.text
    assert f"predictor {first.revision_id} is spawned: the zygote has 2 threads" in caplog.text
    assert parent_of(start_ready(host, second)) != os.getpid()
    assert {predict(each).status for each in (first, second)} == {200}


@pytest.mark.parametrize(
    ("text", "said"), [(ENDS_ITS_PROCESS, "odd ends the zygote"), (NEVER_COMES_BACK, "hangs and is killed")]
)
def test_a_zygote_that_ends_or_hangs_before_the_fork_has_the_predictor_spawned(
    host: ProcessHost,
    with_module: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    text: str,
    said: str,
) -> None:
    monkeypatch.setattr(zygote_module, "TICK_SECONDS", 0.1)
    launch = with_module("first", text)
    assert parent_of(start_ready(host, launch)) == os.getpid()
    assert said in caplog.text
    assert predict(launch).status == 200


def test_a_predictor_that_is_stopped_before_it_is_forked_never_comes(host: ProcessHost, tmp_path: Path) -> None:
    launch = launch_of(tmp_path / "first")
    host.start(launch)
    assert host.status(launch.revision_id).pid is None
    host.stop(launch.revision_id)
    assert host.revisions() == []
    assert not launch.heartbeat.exists()


def test_what_was_to_end_before_it_began_is_killed_when_it_is_forked_and_not_spawned_when_it_is_not(
    tmp_path: Path,
) -> None:
    with socket.socket() as listener, subprocess.Popen(["sleep", "600"]) as process:
        forked, refused = (Forked(launch_of(tmp_path / name), listener) for name in ("forked", "refused"))
        for each in (forked, refused):
            each.terminate()
        forked.began(process.pid)
        try:
            assert process.wait(10) == -signal.SIGKILL
        finally:
            process.kill()
        forked.ended(-signal.SIGKILL)
        refused.spawn()
    assert [forked.wait(0), refused.wait(0)] == [-signal.SIGKILL, -signal.SIGTERM]
    assert refused.pid is None


def test_a_model_that_does_not_load_does_not_harm_its_siblings(
    host: ProcessHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = launch_of(tmp_path / "good"), launch_of(tmp_path / "bad")
    pid = start_ready(host, good)
    (tmp_path / "bad" / "package" / "model.pickle").write_bytes(b"")
    host.start(bad)
    until(lambda: "digest" in host.status(bad.revision_id).message)
    assert host.status(good.revision_id).pid == pid
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_nothing_is_left_when_the_host_has_closed(tmp_path: Path) -> None:
    host = ProcessHost(Forker(tmp_path / "zygotes.log"))
    pid = start_ready(host, launch_of(tmp_path / "first"))
    zygote = parent_of(pid)
    host.close()
    assert start_ticks(zygote) is None
    assert start_ticks(pid) is None
    assert zygote not in kernel.children_of(os.getpid())
