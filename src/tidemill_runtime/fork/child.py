"""The inside of a forked child: it leaves the zygote, waits for its program, sets itself up, runs it and ends."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import os
import resource
import signal
import socket
import sys
import time
import traceback
from typing import Any, Dict, List, Mapping, Tuple

from tidemill_runtime.fork import wire
from tidemill_runtime.fork.kernel import adopt_orphans, children_of, die_with_parent, thread_count
from tidemill_runtime.fork.program import EXIT_SET_UP_FAILED, finish, run_program, seed_generators, stream_lines

_RESET_SIGNALS = [
    number
    for number in signal.valid_signals()
    if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ)
]
_CPU_GRACE_SECONDS = 5


def serve_one(line: socket.socket, zygote_pid: int) -> None:
    """Turn this freshly forked process into the program that comes on `line`; never returns.

    The request has program, cwd, env, log, umask, seed, limits {data_bytes, cpu_seconds},
    `descriptor_names`, one for each received descriptor (they stay open, as TIDEMILL_FD_<NAME>), and `modules_file`,
    where the modules are told that the program imported beyond the zygote's. A program that has ended and leaves
    nothing behind says so on `line`: {"status", "max_rss_bytes"}.
    """
    try:
        _leave_zygote(zygote_pid)
        _close_others(line.fileno())
        request, received = _receive(line)
        descriptors = dict(zip(request.get("descriptor_names", []), received))
        _set_up(request, descriptors)
    except wire.Closed:
        os._exit(0)  # never needed
    except BaseException:  # noqa: BLE001  # this must never run on as a second zygote
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(EXIT_SET_UP_FAILED)
    last_known = next(reversed(sys.modules))
    status = run_program(request["program"], descriptors)
    if request.get("modules_file"):
        _tell_modules(request["modules_file"], last_known)
    status = finish(status)
    _say_farewell(line, status)
    os._exit(status)


def _receive(line: socket.socket) -> Tuple[Dict[str, Any], List[int]]:
    reader = wire.Reader(line)
    while True:
        for message in reader.receive():
            return message


def _set_up(request: Mapping[str, Any], descriptors: Dict[str, int]) -> None:
    _set_streams(request["log"])
    for number in descriptors.values():
        os.set_inheritable(number, True)
    _set_environment(request, descriptors)
    _set_limits(request.get("limits") or {})
    seed_generators(int(request["seed"]))
    gc.enable()


def _leave_zygote(zygote_pid: int) -> None:
    os.setsid()
    die_with_parent(signal.SIGKILL)
    if os.getppid() != zygote_pid:
        os._exit(EXIT_SET_UP_FAILED)  # the zygote died before the request for its death signal
    adopt_orphans()
    signal.set_wakeup_fd(-1)
    for number in _RESET_SIGNALS:
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _set_streams(log: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    # Appending, so that the worker can cut the file short under a flood.
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(null)
    os.close(file)
    stream_lines()


def _close_others(kept: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            with contextlib.suppress(OSError):  # the one that listed them is gone
                os.close(int(name))


def _set_environment(request: Mapping[str, Any], descriptors: Dict[str, int]) -> None:
    os.umask(int(request.get("umask", 0o022)))
    os.chdir(request["cwd"])
    wanted = {**request["env"], **{"TIDEMILL_FD_" + name.upper(): str(fd) for name, fd in descriptors.items()}}
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update(wanted)
    os.environ["PWD"] = request["cwd"]
    time.tzset()


def _set_limits(limits: Mapping[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = limits.get("data_bytes")
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (int(memory), int(memory)))
    seconds = limits.get("cpu_seconds")
    if seconds:
        # soft < hard: the soft limit is SIGXCPU, which says what happened; the hard one is a mute SIGKILL
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + _CPU_GRACE_SECONDS))


def _tell_modules(path: str, last_known: str) -> None:
    """Write which installed modules were imported, in their order; those of the working folder are left out."""
    installed = (sys.prefix, sys.base_prefix)
    found: List[str] = []
    # From the newest back to the last that was there before: to look at the old ones would copy their pages.
    for name in reversed(list(itertools.takewhile(lambda each: each != last_known, reversed(sys.modules)))):
        origin = getattr(getattr(sys.modules[name], "__spec__", None), "origin", None)
        if name != "__main__" and isinstance(origin, str) and origin.startswith(installed):
            found.append(name)
    if found:
        with contextlib.suppress(OSError), open(path, "w", encoding="utf-8") as file:  # only speed depends on it
            json.dump(found, file)


def _say_farewell(line: socket.socket, status: int) -> None:
    """Tell the zygote the end before the kernel has cleared away this process, which takes milliseconds.

    Only where nothing else can still be writing: no other thread, no descendant.
    """
    if thread_count() > 1 or children_of(os.getpid()):
        return
    used = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    with contextlib.suppress(OSError):  # the program closed it, or the zygote is gone: it will be told by wait()
        wire.send_message(line, {"status": status, "max_rss_bytes": used * 1024})
