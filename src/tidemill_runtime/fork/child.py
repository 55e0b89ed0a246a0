"""The set-up of a forked child: session, signals, streams, descriptors, environment, limits, seeds."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import sys
import time
import traceback
from typing import Any, Dict, List, Mapping, Sequence, Set

from tidemill_runtime.fork.kernel import adopt_orphans, die_with_parent
from tidemill_runtime.fork.program import EXIT_SET_UP_FAILED, end_process, run_program, seed_generators, stream_lines

_RESET_SIGNALS = [
    number
    for number in signal.valid_signals()
    if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ)
]
_CPU_GRACE_SECONDS = 5


def become(request: Mapping[str, Any], received: Sequence[int], zygote_pid: int) -> None:
    """Turn this freshly forked process into the program of `request`; never returns.

    `request` has program, cwd, env, log, umask, seed, limits {data_bytes, cpu_seconds},
    `descriptor_names`, one for each received descriptor (they stay open, as TIDEMILL_FD_<NAME>), and `modules_file`,
    where the modules are told that the program imported beyond the zygote's.
    """
    try:
        descriptors = dict(zip(request.get("descriptor_names", []), received))
        _leave_zygote(zygote_pid)
        _set_streams(request["log"])
        _close_others(list(descriptors.values()))
        _set_environment(request, descriptors)
        _set_limits(request.get("limits") or {})
        seed_generators(int(request["seed"]))
        gc.enable()
    except BaseException:  # noqa: BLE001  # this must never run on as a second zygote
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(EXIT_SET_UP_FAILED)
    known = set(sys.modules)
    status = run_program(request["program"], descriptors)
    if request.get("modules_file"):
        _tell_modules(request["modules_file"], known)
    end_process(status)


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
    stream_lines()


def _close_others(kept: List[int]) -> None:
    keep = {0, 1, 2, *kept}
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in keep:
            with contextlib.suppress(OSError):  # the one that listed them is gone
                os.close(int(name))
    for number in kept:
        os.set_inheritable(number, True)


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


def _tell_modules(path: str, known: Set[str]) -> None:
    """Write which installed modules were imported, in their order; those of the working folder are left out."""
    installed = (sys.prefix, sys.base_prefix)
    found = []
    for name, module in list(sys.modules.items()):
        if name in known or name == "__main__":
            continue
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        if isinstance(origin, str) and origin.startswith(installed):
            found.append(name)
    if found:
        with contextlib.suppress(OSError), open(path, "w", encoding="utf-8") as file:  # only speed depends on it
            json.dump(found, file)
