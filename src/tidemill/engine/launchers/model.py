"""The contract of a launcher, and its nouns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a program may use; None means no limit. Memory above the limit is a MemoryError, CPU time a SIGXCPU."""

    data_bytes: int | None = None
    cpu_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """A program to start in a process of its own.

    `key` names it until it has ended. `program` is as in `tidemill_runtime.fork.program`: a module with arguments, a
    command line, or an entry function with a JSON argument. `python` is the interpreter of its venv, `runtime` the
    folder of `tidemill_runtime`. `start_environment` acts when Python starts or imports; `environment` is added in the
    child. `preload` are modules to import once before the fork. `descriptors` are inherited by name. With `may_fork`
    False it starts in a fresh interpreter.
    """

    key: str
    python: Path
    runtime: Path
    program: Mapping[str, Any]
    folder: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    start_environment: Mapping[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    seed: int = 0
    limits: Limits = Limits()
    descriptors: Mapping[str, int] = field(default_factory=dict)
    may_fork: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """A program has ended: by `status`, by `signal`, or (`lost` says why) nobody knows how."""

    key: str
    status: int | None = None
    signal: int | None = None
    max_rss_bytes: int | None = None
    lost: str | None = None


class Launcher(Protocol):
    """Starts programs and tells when they have ended; used by one thread, `wake` by any.

    When a program has ended, nothing that it started is alive any more.
    """

    def launch(self, request: LaunchRequest) -> None:
        """Start a program and return at once; `Unavailable` when no process can be made."""
        ...

    def events(self, timeout_seconds: float) -> list[Exited]:
        """The programs that have ended since the last call, each once; waits up to the timeout for the first."""
        ...

    def kill(self, key: str, signal_number: int) -> None:
        """Send SIGTERM or SIGKILL to a program and all that it started; nothing happens when it has ended."""
        ...

    def wake(self) -> None:
        """Make a waiting `events` return early; from any thread."""
        ...

    def close(self) -> None:
        """End all programs and let go of everything."""
        ...
