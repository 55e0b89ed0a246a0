"""Which processes are alive."""

from __future__ import annotations

import os
import subprocess

from tests.processes import ended

from tidemill.base.process import is_alive, start_ticks


def test_this_process_is_alive_and_no_other_of_its_id() -> None:
    ticks = start_ticks(os.getpid())
    assert ticks is not None
    assert is_alive(os.getpid(), ticks)
    assert is_alive(os.getpid(), None)
    assert not is_alive(os.getpid(), ticks + 1)


def test_a_process_that_ended_is_not_alive_while_nobody_asked_how() -> None:
    with ended(subprocess.Popen(["sleep", "1000"])) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert os.path.exists(f"/proc/{process.pid}")
        assert not is_alive(process.pid, None)
        process.wait()
        assert not is_alive(process.pid, None)
