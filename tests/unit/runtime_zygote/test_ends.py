"""Nothing outlives its program, its zygote or its launcher; a zygote with threads does not fork."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidemill_runtime.fork import kernel

GRANDCHILDREN = """
import os, subprocess, time
inner = "import os, time; open('grandchild', 'w').write(str(os.getpid())); time.sleep(60)"
subprocess.Popen(["sh", "-c", f"setsid python3 -c \\"{inner}\\" &"])
while not (os.path.exists("grandchild") and open("grandchild").read()):
    time.sleep(0.005)
"""


def _grandchild(nursery: Any, until: Callable[..., None]) -> int:
    path: Path = nursery.folder / "grandchild"
    until(lambda: path.exists() and path.read_text() != "")
    return int(path.read_text())


def _is_alive(pid: int) -> bool:
    return kernel.state_of(pid) not in ("", "Z", "X")


@pytest.mark.parametrize("how", ["return", "raise SystemExit(1)", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_what_a_program_leaves_behind_is_ended_with_it(nursery: Any, until: Callable[..., None], how: str) -> None:
    nursery.run(GRANDCHILDREN + ("" if how == "return" else how))
    assert not _is_alive(_grandchild(nursery, until))


def test_killing_a_program_kills_grandchildren_in_sessions_of_their_own(
    nursery: Any, until: Callable[..., None]
) -> None:
    request = nursery.start(GRANDCHILDREN + "time.sleep(60)")
    grandchild = _grandchild(nursery, until)
    assert _is_alive(grandchild)
    nursery.launcher.kill(request.key, signal.SIGKILL)
    assert nursery.wait(request)[0].signal == signal.SIGKILL
    assert not _is_alive(grandchild)


def test_one_program_is_killed_and_its_sibling_goes_on(nursery: Any, until: Callable[..., None]) -> None:
    first = nursery.start(GRANDCHILDREN + "time.sleep(60)")
    _grandchild(nursery, until)
    second = nursery.start("import time\nwhile not __import__('os').path.exists('go'): time.sleep(0.005)")
    nursery.launcher.kill(first.key, signal.SIGKILL)
    assert nursery.wait(first)[0].signal == signal.SIGKILL
    (nursery.folder / "go").touch()
    assert nursery.wait(second)[0].status == 0


def test_a_program_that_is_told_to_end_as_soon_as_it_is_started_ends(nursery: Any) -> None:
    for _ in range(20):
        request = nursery.start("import time; time.sleep(60)")
        nursery.launcher.kill(request.key, signal.SIGTERM)
        assert nursery.wait(request)[0].signal == signal.SIGTERM


def test_a_zygote_that_dies_is_told_and_a_new_one_takes_its_place(nursery: Any, until: Callable[..., None]) -> None:
    request = nursery.start(GRANDCHILDREN + "time.sleep(60)")
    grandchild = _grandchild(nursery, until)
    (zygote,) = nursery.launcher._zygotes.values()
    children = kernel.children_of(zygote.pid)
    os.kill(zygote.pid, signal.SIGKILL)
    exited, _ = nursery.wait(request)
    assert exited.lost is not None
    until(lambda: not any(map(_is_alive, [*children, grandchild])))
    assert nursery.run("pass")[0].status == 0


def test_when_the_launcher_closes_everything_ends(nursery: Any, until: Callable[..., None]) -> None:
    nursery.start(GRANDCHILDREN + "time.sleep(60)")
    grandchild = _grandchild(nursery, until)
    (zygote,) = nursery.launcher._zygotes.values()
    nursery.launcher._hear(zygote)
    zygote.close()
    until(lambda: not _is_alive(grandchild) and not _is_alive(zygote.pid))


def test_a_zygote_with_threads_refuses_and_the_program_is_spawned(nursery: Any) -> None:
    (nursery.folder / "threaded").mkdir()
    site = nursery.folder / "threaded"
    (site / "starts_a_thread.py").write_text(
        "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    start = {"PYTHONPATH": str(site)}
    text = "import os, sys; print('starts_a_thread' in sys.modules, len(os.listdir('/proc/self/task')))"
    exited, log = nursery.run(text, start_environment=start, preload=("starts_a_thread",))
    assert (exited.status, log) == (0, "False 1\n")
    exited, log = nursery.run(text, start_environment=start, preload=("starts_a_thread", "colorsys"))
    assert (exited.status, log) == (0, "False 1\n")  # forked again, by a zygote that left the module out


def test_marked_processes_are_found_and_killed(nursery: Any, until: Callable[..., None]) -> None:
    request = nursery.start("import time; print('ready'); time.sleep(60)")
    until(lambda: request.log.exists() and "ready" in request.log.read_text())
    marker = f"TIDEMILL_WORKER=nursery-{nursery.folder.name}"
    until(lambda: len(kernel.processes_with(marker)) == 3)  # the zygote, its child, and the one forked ahead
    assert kernel.kill_marked(marker) >= 1
    assert kernel.processes_with(marker) == []
