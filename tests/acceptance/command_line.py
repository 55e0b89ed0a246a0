"""The command line as a person has it: `tidemill` in a process of its own, in a folder, with a home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.processes import ended

COMMAND_SECONDS = 180.0
DEADLINE_SECONDS = 60.0


@dataclass(kw_only=True)
class CommandLine:
    """Runs `tidemill` and keeps what each command took; `program` is how it is started."""

    folder: Path
    home: Path
    program: Sequence[str] = (sys.executable, "-m", "tidemill")
    variables: Mapping[str, str] = field(default_factory=dict)
    took: list[tuple[str, float]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a command sees: the caller's variables without any of Tidemill's, then its own."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # else each command compiles its modules again
        # the path of a site's sockets is short, whatever the temporary folder of a test is called
        return {**inherited, "TIDEMILL_HOME": str(self.home), "XDG_RUNTIME_DIR": "/tmp", **self.variables}

    def __call__(self, *words: str, expect: int = 0, token: str = "") -> str:
        """The standard output of a command that leaves with `expect`; `said` gives what else it says."""
        return self.done(*words, expect=expect, token=token).stdout

    def said(self, *words: str, expect: int = 0, token: str = "") -> str:
        """All that a command prints."""
        done = self.done(*words, expect=expect, token=token)
        return done.stdout + done.stderr

    def json(self, *words: str, token: str = "") -> Any:
        """What a command prints with `--json`: its last line."""
        return json.loads(self(*words, "--json", token=token).splitlines()[-1])

    def done(self, *words: str, expect: int, token: str = "") -> subprocess.CompletedProcess[str]:
        """The finished command; a `token` makes it the request of another person."""
        started = time.monotonic()
        done = subprocess.run(
            [*self.program, *words],
            cwd=self.folder,
            env={**self.environment, **({"TIDEMILL_TOKEN": token} if token else {})},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        self.took.append((" ".join(words)[:60], time.monotonic() - started))
        assert done.returncode == expect, f"{words} left with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    @contextmanager
    def begun(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command at work within the block, in a session of its own as in a terminal; after it it is gone."""
        command = subprocess.Popen(
            [*self.program, *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with ended(command):
            yield command


def until(condition: Callable[[], bool], what: str, within_seconds: float = DEADLINE_SECONDS) -> None:
    """Poll until it holds; what did not come true is the failure."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true in {within_seconds:.0f} s"
        time.sleep(0.05)
