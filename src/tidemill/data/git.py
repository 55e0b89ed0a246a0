"""The few things that data wants of git, run without a shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tidemill.base.errors import Conflict, Unavailable


def repository_root(folder: Path) -> Path | None:
    """The top of the working tree around a folder, None outside of every repository."""
    done = _run(folder, "rev-parse", "--show-toplevel")
    if done.returncode == 0:
        return Path(done.stdout.rstrip("\n"))
    if "not a git repository" in done.stderr:
        return None
    raise _failure(folder, done)


def create_repository(folder: Path) -> None:
    """`git init` there."""
    _git(folder, "init", "--quiet")


def repository_identity(root: Path) -> str | None:
    """What is the same in every clone: `git:<first commit>`; None before the first commit.

    A shallow clone does not know its first commit: there it is the address of `origin`, without a password.
    """
    if _git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        return without_password(_git(root, "remote", "get-url", "origin").strip())
    first = _run(root, "rev-list", "--max-parents=0", "HEAD")
    return None if first.returncode != 0 else "git:" + min(first.stdout.split())


def without_password(address: str) -> str:
    """An address without its user and password."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]))


def committed_at(root: Path, path: Path) -> str | None:
    """The commit that brought a file as it is now; None when it differs from HEAD's or is not there."""
    if _run(root, "rev-parse", "--verify", "--quiet", "HEAD").returncode != 0:
        return None
    if _git(root, "status", "--porcelain", "--", str(path)).strip():
        return None
    return _git(root, "log", "-n1", "--format=%H", "--", str(path)).strip() or None


def commit(root: Path, paths: Sequence[Path], message: str, *, person: str) -> bool:
    """Commit these paths and nothing else that may be staged; False when they stand in HEAD like that already.

    The author is git's own setting, `person` where there is none. Raises `Conflict` when git refuses (a merge under
    way, a hook).
    """
    names = [str(path) for path in paths]
    _git(root, "add", "--", *names)
    if not _git(root, "status", "--porcelain", "--", *names).strip():
        return False
    identity = _run(root, "config", "user.email")
    author = [] if identity.returncode == 0 else ["-c", f"user.name={person}", "-c", f"user.email={person}@localhost"]
    _git(root, *author, "commit", "--quiet", "--only", f"--message={message}", "--", *names)
    return True


def _git(folder: Path, *arguments: str) -> str:
    done = _run(folder, *arguments)
    if done.returncode != 0:
        raise _failure(folder, done)
    return done.stdout


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_DIR", "GIT_WORK", "GIT_IND"))
    }
    try:
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", *arguments],
            cwd=folder,
            env={**kept, "LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", "GIT_LITERAL_PATHSPECS": "1"},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError as problem:
        if not folder.is_dir():
            raise Conflict("the folder has gone", place=str(folder)) from problem
        raise Unavailable("the program git is missing", remedy="install it: apt-get install git") from problem


def _failure(folder: Path, done: subprocess.CompletedProcess[str]) -> Conflict:
    said = (done.stderr or done.stdout).strip() or f"status {done.returncode}"
    return Conflict(f"git refuses: {said}", place=str(folder), remedy="settle that with git, then try again")
