"""What Linux tells and does about processes: parents, children, threads, death signals, subreapers."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from typing import Dict, List, Set

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_IS_LINUX = sys.platform == "linux"


def _prctl(option: int, value: int) -> None:
    if not _IS_LINUX:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent(signal_number: int) -> None:
    """Ask for a signal when the thread that made this process ends (prctl(2), PR_SET_PDEATHSIG)."""
    _prctl(PR_SET_PDEATHSIG, signal_number)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, also of those that called setsid."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def thread_count() -> int:
    """The threads of this process, native ones too; 1 where that cannot be told."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def children_of(pid: int) -> List[int]:
    """The direct children of a process, zombies too."""
    found: List[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found.extend(int(word) for word in file.read().split())
        except OSError:
            continue
    return found


def descendants_of(pid: int) -> List[int]:
    """Everything below a process, nearest first."""
    found: List[int] = []
    waiting = [pid]
    while waiting:
        below = children_of(waiting.pop(0))
        found.extend(below)
        waiting.extend(below)
    return found


def send(pid: int, signal_number: int) -> None:
    """Send a signal; a process that is gone is no error."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal_number)


def signal_tree(pid: int, signal_number: int) -> None:
    """Send a signal to a process, its group and all its descendants."""
    below = descendants_of(pid)
    try:
        os.killpg(pid, signal_number)
    except ProcessLookupError:
        send(pid, signal_number)
    for one in below:
        send(one, signal_number)


def kill_tree(pid: int) -> None:
    """SIGKILL a process and all its descendants; they are stopped first, so that none forks its way out."""
    stopped: Set[int] = set()
    for _ in range(100):
        fresh = [one for one in [pid, *descendants_of(pid)] if one not in stopped]
        if not fresh:
            break
        for one in fresh:
            send(one, signal.SIGSTOP)
        stopped.update(fresh)
    # The root goes last: until then it is the subreaper that holds its orphans together.
    for one in sorted(stopped, key=lambda each: each == pid):
        send(one, signal.SIGKILL)


def state_of(pid: int) -> str:
    """The state letter of a process (proc(5)), or an empty string when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return ""


def processes_with(marker: str) -> List[int]:
    """The processes of this user whose start environment holds `NAME=value`; forked ones show their zygote's."""
    wanted = marker.encode()
    found: List[int] = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue
    return found


def kill_marked(marker: str, *, within_seconds: float = 5.0) -> int:
    """SIGKILL every process whose start environment holds `NAME=value`, until none is left; how many there were."""
    killed: Dict[int, bool] = {}
    deadline = time.monotonic() + within_seconds
    while True:
        alive = [pid for pid in processes_with(marker) if state_of(pid) not in ("Z", "X", "")]
        if not alive or time.monotonic() > deadline:
            return len(killed)
        for pid in alive:
            killed[pid] = True
            send(pid, signal.SIGKILL)
        time.sleep(0.002)
