"""The zygote's side of a child: forked ahead of its program, handed the program, heard when it leaves."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import Any, Dict, Optional, Sequence

from tidemill_runtime.fork import child, wire

_FAREWELL_BYTES = 4096


class Nursling:
    """A forked process that waits for a program, and then is it; `name` is the program's, None while it waits."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self.line = line
        self.name: Optional[str] = None
        self.has_left = False

    def hand_over(self, request: Dict[str, Any], descriptors: Sequence[int]) -> None:
        """Give it its program; raises OSError when it is gone."""
        wire.send_message(self.line, request, descriptors)
        self.name = request["id"]

    def hear(self) -> Optional[Dict[str, Any]]:
        """Its farewell, {"status", "max_rss_bytes"}; None when it ended, or became another program, without one.

        After a farewell nothing is left of it but memory to clear away, and it is killed so that this stays true.
        """
        try:
            told = self.line.recv(_FAREWELL_BYTES)
        except ConnectionError:
            return None
        if not told or self.name is None:
            return None
        farewell: Dict[str, Any] = json.loads(told)
        self.has_left = True
        os.kill(self.pid, signal.SIGKILL)
        return farewell

    def close(self) -> None:
        """Close this side of the line; one that still waits for its program ends."""
        self.line.close()


def fork_nursling() -> Nursling:
    """Fork a child that waits for a program; OSError when the system has no room for one."""
    zygote_pid = os.getpid()
    ours, theirs = socket.socketpair()
    # one that comes before the child has taken off the zygote's handlers waits, and is not lost on them
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        pid = os.fork()
        if pid == 0:
            child.serve_one(theirs, zygote_pid)
    except OSError:
        ours.close()
        theirs.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    theirs.close()
    return Nursling(pid, ours)
