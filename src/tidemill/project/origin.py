"""Where a project file comes from: its place, its commit, and the generation that it goes on from."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill.base.errors import TidemillError
from tidemill.data import git
from tidemill.project.fields import digest_of
from tidemill.project.model import Project

MOST_COMMITS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A file as it lies here: `place` is `host:path`, `commits` are those that changed it, newest first.

    `commit` is the one that brought it as it is now, None where there is none.
    """

    place: str
    digest: str
    commit: str | None = None
    commits: tuple[str, ...] = ()

    def base_among(self, generations: Iterable[Mapping[str, Any]]) -> int:
        """The number of the newest generation that this file comes from, 0 for none; `generations` newest first.

        It comes from one that says the same, that was applied from this very place, or whose commit stands in the
        history of the file here.
        """
        for each in generations:
            if each["digest"] == self.digest or each["file"] == self.place or each["commit"] in self.commits:
                return int(each["number"])
        return 0


def origin_of(project: Project) -> Origin:
    """Where the file of a project comes from; outside of git, and where git cannot tell, it has no commits."""
    file = project.path
    plain = Origin(place=f"{socket.gethostname()}:{file}"[-1024:], digest=digest_of(project.declared))
    try:
        root = git.repository_root(project.folder)
        if root is None:
            return plain
        commit = git.committed_at(root, file)
    except TidemillError:
        return plain
    return Origin(place=plain.place, digest=plain.digest, commit=commit, commits=_commits(root, file))


def _commits(root: Path, file: Path) -> tuple[str, ...]:
    """The commits of the file, those of merged branches too."""
    settings = ["-c", "core.fsmonitor=false", "-c", "log.showSignature=false"]
    words = ["git", *settings, "--literal-pathspecs", "log", "--full-history", "--format=%H", f"-n{MOST_COMMITS}"]
    try:
        done = subprocess.run(
            [*words, "--", str(file)], cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
    except OSError:
        return ()
    return tuple(done.stdout.split()) if done.returncode == 0 else ()
