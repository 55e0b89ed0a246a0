"""Work that needs heavy libraries or foreign files, done in a process of its own that ends with it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from tidemill.base.errors import Unavailable

LONGEST_SECONDS = 120.0
AT_ONCE = 4
PATIENCE_SECONDS = 10.0
_room = threading.BoundedSemaphore(AT_ONCE)
"""Each of them takes some 50 MB or more, and whoever may read can ask for one."""

SMALLEST_LIMIT_BYTES = 1 << 30
_KEPT = frozenset({"PATH", "LANG", "TZ", "TMPDIR", "HOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})


class NoRoom(Unavailable):
    """Too many are asked for at the same time; nothing was started."""


def run_apart(
    module: str,
    asked: Any,
    *,
    what: str,
    seconds: float = LONGEST_SECONDS,
    memory_bytes: int | None = None,
    patience_seconds: float | None = None,
) -> Any:
    """The JSON that a module writes when it is run with this JSON on its standard input.

    It gets few variables of the environment, no open files, the time of a processor and memory (half of the machine's
    unless told). Raises `Unavailable`, which says what failed, when it ends otherwise or takes longer than `seconds`;
    `NoRoom` when `AT_ONCE` others of this process leave no room within `patience_seconds` (`PATIENCE_SECONDS`).
    """
    if not _room.acquire(timeout=PATIENCE_SECONDS if patience_seconds is None else patience_seconds):
        raise NoRoom(f"{what}: too many are asked for at the same time", remedy="try again in a moment")
    try:
        return _run(module, asked, what, seconds, _memory_limit() if memory_bytes is None else memory_bytes)
    finally:
        _room.release()


def _run(module: str, asked: Any, what: str, seconds: float, memory_bytes: int) -> Any:
    # nice and with one thread: what it shares the cores with are predictors
    argv = ["nice", "-n", "10", sys.executable, "-m", module]
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_apart(),
        start_new_session=True,
    ) as process:
        try:
            _limit(process.pid, seconds, memory_bytes)
            told, words = process.communicate(json.dumps(asked).encode(), timeout=seconds)
        except subprocess.TimeoutExpired as problem:
            raise Unavailable(f"{what}: it took more than {seconds:g} s") from problem
        finally:
            if process.returncode is None:
                _kill_group(process)
    if process.returncode != 0:
        raise Unavailable(f"{what}: {_last_words(words, process.returncode)}", remedy="try again")
    try:
        return json.loads(told)
    except ValueError as problem:
        raise Unavailable(f"{what}: it did not answer in JSON", remedy="try again") from problem


def environment_apart() -> dict[str, str]:
    """The environment of such a process: neither tokens nor settings of ours, native libraries take one thread."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(("PYTHON", "LC_"))}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _memory_limit() -> int:
    return max(SMALLEST_LIMIT_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)


def _limit(pid: int, seconds: float, memory_bytes: int) -> None:
    cpu_seconds = int(seconds) + 1  # whoever waits for it may be killed; then this ends it
    for which, limit in (
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ProcessLookupError):
            resource.prlimit(pid, which, (limit, limit))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _last_words(words: bytes, status: int) -> str:
    if status < 0:
        return f"it was ended by {signal.Signals(-status).name}"
    lines = [line for line in words.decode("utf-8", "replace").strip().splitlines() if line.strip()]
    last = lines[-1][:300] if lines else f"it ended with {status}"
    is_memory = any(word in last for word in ("MemoryError", "bad_alloc", "out of memory", "malloc of size"))
    return f"it ran out of memory ({last})" if is_memory else last
