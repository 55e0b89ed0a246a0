"""DVC in a child process of its own environment, kept warm: its command line takes a second, a request 0.02 s."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from tidemill.data.asked_dvc import AskedDvc
from tidemill.data.dvc_child import DvcChild
from tidemill.data.environment import handed_over, own_umask


class WarmDvc(AskedDvc):
    """The `Dvc` of one command: a child of its own, started at the first call, for one request at a time.

    `find_python` gives the Python of DVC's environment and may take its time; what DVC prints goes to `log`.
    """

    def __init__(self, find_python: Callable[[], Path], log: Path) -> None:
        self._find_python = find_python
        self._log = log
        self._lock = threading.Lock()
        self._child: DvcChild | None = None

    def close(self) -> None:
        """See `Dvc`; a child that is still at work is ended."""
        with self._lock:
            child, self._child = self._child, None
            if child is not None:
                child.end()

    def _exchange(self, line: bytes) -> bytes:
        with self._lock:
            if self._child is None or not self._child.is_alive:
                if self._child is not None:
                    self._child.end()
                self._child = DvcChild(self._find_python(), self._log, handed_over(os.environ), own_umask())
            return self._child.ask(line)
