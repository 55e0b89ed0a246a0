"""Running `tidemill` and `git` as a person would, in the demo's folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tidemill.base.errors import RunFailed, Unavailable

TIMEOUT_SECONDS = 300
PATIENCE_SECONDS = 300.0
LOOK_SECONDS = 0.1
KEPT = ("TIDEMILL_MLFLOW_PYTHON",)
"""What of the site's settings the demo takes from outside: all else is as it is for a newcomer."""
T = TypeVar("T")


@dataclass
class Shell:
    """A person at a terminal: a working folder, a home inside it, and notes of what was seen on the way."""

    folder: Path
    seen: dict[str, str] = field(default_factory=dict)
    _known: tuple[str, str] | None = None

    @property
    def home(self) -> Path:
        """The home of the demo's site."""
        return self.folder / ".home"

    def tidemill(self, *words: str, token: str = "", expect: int = 0) -> str:
        """Run a command; its stdout. Another exit status than expected raises `RunFailed` with what was printed."""
        done = self._run(words, token, expect)
        return done.stdout if expect == 0 else done.stderr

    def json(self, *words: str, token: str = "", expect: int = 0) -> Any:
        """The last line of a command's stdout, which is JSON."""
        return json.loads(self._run((*words, "--json"), token, expect).stdout.strip().splitlines()[-1])

    def _run(self, words: Sequence[str], token: str, expect: int) -> subprocess.CompletedProcess[str]:
        inherited = {
            name: value for name, value in os.environ.items() if name in KEPT or not name.startswith("TIDEMILL_")
        }
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
        return done

    def git(self, *words: str) -> None:
        """Run git, as somebody when git does not know who."""
        if shutil.which("git") is None:
            raise Unavailable("the program git is missing", remedy="install it: apt-get install git")
        who = ["-c", "user.name=demo", "-c", "user.email=demo@localhost"]
        done = subprocess.run(
            ["git", *who, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise RunFailed(
                f"ended with {done.returncode}:\n{done.stdout}{done.stderr}", place=f"git {' '.join(words)}"
            )

    def url(self) -> str:
        """The address of the site."""
        return self._site()[0]

    def get(self, path: str, **query: str | int) -> Any:
        """What the site's API answers, as the owner."""
        import httpx

        url, token = self._site()
        reply = httpx.get(
            f"{url}/api/v1{path}", params=query, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_SECONDS
        )
        if reply.status_code != httpx.codes.OK:
            raise RunFailed(f"answered {reply.status_code}: {reply.text[:300]}", place=path)
        return reply.json()

    def until(self, what: str, found: Callable[[], T | None]) -> T:
        """Ask again and again until something is found; `RunFailed` with what was waited for when it is not."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (value := found()) is None:
            if time.monotonic() > deadline:
                raise RunFailed(f"nothing came in {PATIENCE_SECONDS:.0f} s", place=what)
            time.sleep(LOOK_SECONDS)
        return value

    def token(self) -> str:
        """The token of the owner."""
        return self._site()[1]

    def ended_firing(self, trigger: str) -> dict[str, Any] | None:
        """The newest firing of a trigger that ended."""
        firings = self.get(f"/triggers/{trigger}/firings")["items"]
        return next((dict(each) for each in firings if each["finished_at"]), None)

    def ended_rollout(self, model_version_id: str) -> dict[str, Any] | None:
        """The rollout of a version to the service, when it has ended."""
        rollouts = self.get("/services/fuel/rollouts")["items"]
        found = (each for each in rollouts if each["model_version_id"] == model_version_id and not each["active"])
        return next((dict(each) for each in found), None)

    def _site(self) -> tuple[str, str]:
        """Address and token, as a program gets them."""
        if self._known is None:
            exports = dict(
                line.removeprefix("export ").split("=", 1) for line in self.tidemill("env").strip().splitlines()
            )
            self._known = exports["TIDEMILL_URL"], exports["TIDEMILL_TOKEN"]
        return self._known
