"""Running `tidemill` and `git` as a person would, in the demo's folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.base.errors import RunFailed, Unavailable

TIMEOUT_SECONDS = 300


@dataclass
class Shell:
    """A person at a terminal: a working folder, a home inside it, and notes of what was seen on the way."""

    folder: Path
    seen: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The home of the demo's site."""
        return self.folder / ".home"

    def tidemill(self, *words: str, token: str = "", expect: int = 0) -> str:
        """Run a command; its stdout. Another exit status than expected raises `RunFailed` with what was printed."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
        environment = {**inherited, "TIDEMILL_HOME": str(self.home), **({"TIDEMILL_TOKEN": token} if token else {})}
        done = subprocess.run(
            [sys.executable, "-m", "tidemill", *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != expect:
            raise RunFailed(
                f"ended with {done.returncode}, not {expect}:\n{done.stdout}{done.stderr}",
                place=f"tidemill {' '.join(words)}",
            )
        return done.stdout if expect == 0 else done.stderr

    def json(self, *words: str, token: str = "") -> Any:
        """The last line of a command's stdout, which is JSON."""
        return json.loads(self.tidemill(*words, "--json", token=token).strip().splitlines()[-1])

    def git(self, *words: str) -> None:
        """Run git, as somebody when git does not know who."""
        if shutil.which("git") is None:
            raise Unavailable("the program git is missing", remedy="install it: apt-get install git")
        who = ["-c", "user.name=demo", "-c", "user.email=demo@localhost"]
        subprocess.run(
            ["git", *who, *words], cwd=self.folder, check=True, capture_output=True, stdin=subprocess.DEVNULL
        )

    def url(self) -> str:
        """The address of the site."""
        return str(self.json("status")["url"])
