"""The zygote: imports libraries once, then forks a child for each program it is asked to run.

One child is forked ahead, so that no program waits for the fork of a large process (5 ms with pandas and
scikit-learn imported). The zygote never calls library code, opens nothing and starts no thread; with more than one
thread it refuses to fork.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from typing import Any, Callable, Dict, List, Optional

from tidemill_runtime.fork import kernel, wire
from tidemill_runtime.fork.nursling import Nursling, fork_nursling

_STRAY_SECONDS = 2.0


class Zygote:
    """Serves one launcher on one socket.

    Requests: {"op": "import", "modules"} → {"event": "imported", "failed": {module: reason}, "threads"};
    {"op": "spawn", "id", ...} → {"event": "started", "id", "pid"} or {"event": "refused", "id", "reason"}, later
    {"event": "exited", "id", "pid", "status", "signal", "max_rss_bytes"}; {"op": "kill", "id", "signal"}: its whole
    tree; {"op": "ping"} → {"event": "pong"}; {"op": "quit"}.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._reader = wire.Reader(control)
        self._children: Dict[int, Nursling] = {}
        self._spare: Optional[Nursling] = None
        self._ready = select.poll()
        self._parent = os.getppid()
        self._is_ending = False
        self._operations: Dict[str, Callable[[Dict[str, Any], List[int]], None]] = {
            "import": self._import,
            "spawn": self._spawn,
            "kill": self._kill,
            "ping": self._ping,
            "quit": self._quit,
        }

    def serve(self) -> None:
        """Work until told to quit, until the launcher closes its side, or until it dies; no child outlives this."""
        wake = self._catch_signals()
        self._freeze()
        self._ready.register(self._control, select.POLLIN)
        self._ready.register(wake, select.POLLIN)
        try:
            while not self._is_ending:
                numbers = {number for number, _ in self._ready.poll()}
                for one in [each for each in self._children.values() if each.line.fileno() in numbers]:
                    self._hear(one)
                if wake.fileno() in numbers:
                    self._drain(wake)
                    self._is_ending = os.getppid() != self._parent
                    self._reap()
                if self._control.fileno() in numbers:
                    self._answer()
        except (wire.Closed, BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self._end_children()

    def _catch_signals(self) -> socket.socket:
        # A parent that dies is told by the end of the socket; the signal is for a parent whose copy somebody holds.
        # It also comes when only the launcher's *thread* ends, so it is checked before it counts.
        reading, writing = socket.socketpair()
        reading.setblocking(False)
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        self._writing = writing
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, _nothing)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the launcher
        kernel.adopt_orphans()
        kernel.die_with_parent(signal.SIGTERM)
        return reading

    def _drain(self, wake: socket.socket) -> None:
        try:
            while wake.recv(4096):
                pass
        except BlockingIOError:
            pass

    def _answer(self) -> None:
        for message, descriptors in self._reader.receive():
            try:
                self._operations[message["op"]](message, descriptors)
            finally:
                for number in descriptors:
                    os.close(number)

    def _import(self, message: Dict[str, Any], _: List[int]) -> None:
        failed: Dict[str, str] = {}
        for name in message["modules"]:
            try:
                importlib.import_module(name)
            except BaseException as problem:  # noqa: BLE001  # the step that wants it will say it in its own log
                failed[name] = f"{type(problem).__name__}: {problem}"
        self._freeze()
        self._drop_spare()
        wire.send_message(self._control, {"event": "imported", "failed": failed, "threads": kernel.thread_count()})

    def _drop_spare(self) -> None:
        """The one forked ahead lacks what was imported since: it ends, and is reaped like any other."""
        if self._spare is not None:
            self._forget(self._spare)

    def _freeze(self) -> None:
        # Objects made so far are never visited by a child's collector: their pages stay shared.
        gc.collect()
        gc.freeze()
        gc.disable()

    def _spawn(self, message: Dict[str, Any], descriptors: List[int]) -> None:
        threads = kernel.thread_count()
        if threads > 1:
            reason = f"the zygote has {threads} threads: a fork could inherit a lock that is never released"
            wire.send_message(self._control, {"event": "refused", "id": message["id"], "reason": reason})
            return
        try:
            started = self._hand_over(message, descriptors)
        except OSError as problem:
            wire.send_message(self._control, {"event": "refused", "id": message["id"], "reason": str(problem)})
            return
        wire.send_message(self._control, {"event": "started", "id": message["id"], "pid": started.pid})
        with contextlib.suppress(OSError):  # no room for one now: the next program will try
            self._spare = self._fork()

    def _hand_over(self, message: Dict[str, Any], descriptors: List[int]) -> Nursling:
        if self._spare is not None:
            spare, self._spare = self._spare, None
            with contextlib.suppress(OSError):  # it died while it waited
                spare.hand_over(message, descriptors)
                return spare
        fresh = self._fork()
        fresh.hand_over(message, descriptors)
        return fresh

    def _fork(self) -> Nursling:
        made = fork_nursling()
        self._children[made.pid] = made
        self._ready.register(made.line, select.POLLIN)
        return made

    def _hear(self, one: Nursling) -> None:
        farewell = one.hear()
        self._hang_up(one)
        if farewell is not None:
            event = {"event": "exited", "id": one.name, "pid": one.pid, "signal": None, **farewell}
            wire.send_message(self._control, event)

    def _kill(self, message: Dict[str, Any], _: List[int]) -> None:
        number = int(message["signal"])
        for pid, one in list(self._children.items()):
            if one.name == message["id"] and not one.has_left:
                # Not yet reaped, so the pid is still theirs.
                if number == signal.SIGKILL:
                    kernel.kill_tree(pid)
                else:
                    kernel.signal_tree(pid, number)

    def _ping(self, _: Dict[str, Any], __: List[int]) -> None:
        answer = {
            "event": "pong",
            "pid": os.getpid(),
            "threads": kernel.thread_count(),
            "children": sum(one.name is not None and not one.has_left for one in self._children.values()),
        }
        wire.send_message(self._control, answer)

    def _quit(self, _: Dict[str, Any], __: List[int]) -> None:
        self._is_ending = True

    def _reap(self) -> None:
        ended: List[Dict[str, Any]] = []
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            one = self._children.pop(pid, None)
            if one is None:
                continue
            self._forget(one)
            if one.name is not None and not one.has_left:
                ended.append(_report(one.name, pid, status, usage.ru_maxrss * 1024))
        if ended:
            self._kill_strays()
        for report in ended:
            wire.send_message(self._control, report)

    def _hang_up(self, one: Nursling) -> None:
        if one.line.fileno() >= 0:
            self._ready.unregister(one.line)
            one.close()

    def _forget(self, one: Nursling) -> None:
        if one is self._spare:
            self._spare = None
        self._hang_up(one)

    def _kill_strays(self) -> None:
        """Kill what an ended program left behind: each running one adopts its own orphans, so a child of ours that we
        did not fork comes from one that has ended."""
        deadline = time.monotonic() + _STRAY_SECONDS
        while time.monotonic() < deadline:
            strays = [pid for pid in kernel.children_of(os.getpid()) if pid not in self._children]
            strays = [pid for pid in strays if kernel.state_of(pid) not in ("Z", "X", "")]
            if not strays:
                return
            for pid in strays:
                kernel.kill_tree(pid)
            time.sleep(0.001)

    def _end_children(self) -> None:
        signal.set_wakeup_fd(-1)
        for pid in kernel.children_of(os.getpid()):
            kernel.kill_tree(pid)
        self._children.clear()
        self._kill_strays()


def _nothing(_number: int, _frame: object) -> None:
    """A handler, so that the wake-up descriptor is written to."""


def _report(name: str, pid: int, status: int, max_rss_bytes: int) -> Dict[str, Any]:
    signal_number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    return {
        "event": "exited",
        "id": name,
        "pid": pid,
        "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "signal": signal_number,
        "max_rss_bytes": max_rss_bytes,
    }


def main(control_descriptor: int) -> None:
    """Serve on an inherited socket, then leave."""
    sys.path[:] = [entry for entry in sys.path if entry != ""]  # the working folder is nobody's library
    os.set_inheritable(control_descriptor, False)
    with socket.socket(fileno=control_descriptor) as control:
        Zygote(control).serve()
    os._exit(0)
