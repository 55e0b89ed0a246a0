"""What triggers want of git repositories elsewhere: no shell, no option from outside, no wait without an end."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tidemill.base.errors import InvalidInput, Unavailable
from tidemill.data.git import without_password

LOOK_SECONDS = 20.0
CLONE_SECONDS = 300.0
MOST_BYTES = 1 << 20
_SCHEMES = ("https://", "http://", "ssh://", "git://", "file:///")
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f-]\S{0,1000}")
_SCP = re.compile(r"([A-Za-z0-9_.][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?!:)[^\s:]\S*")
_DASHED = re.compile(r"[a-z]+://([^/]*@)?-")
_BRANCH = re.compile(r"(?![-/.])(?!.*(\.\.|//|@\{|\.lock(/|$)))[^\s~^:?*\[\\\x00-\x1f\x7f]{1,200}(?<![./])")


def check_address(address: str, *, place: str) -> str:
    """The address of a repository; `InvalidInput` for one that git would take for a program or an option."""
    is_scp = "://" not in address and _SCP.fullmatch(address)
    plain = is_scp or address.startswith(("/", *_SCHEMES))
    if not plain or not _ADDRESS.fullmatch(address) or _DASHED.match(address):
        raise InvalidInput(
            f"{address[:80]!r} is no address of a git repository",
            place=place,
            remedy="https://..., ssh://..., user@host:path, or a folder on the site's machine",
        )
    return address


def check_branch(branch: str, *, place: str) -> str:
    """The name of a branch; `InvalidInput`."""
    if not _BRANCH.fullmatch(branch):
        raise InvalidInput(f"{branch[:80]!r} is no name of a branch", place=place)
    return branch


def repository_at(address: str) -> str:
    """The address; of a folder of this machine the top of the repository that it lies in."""
    if not address.startswith("/"):
        return address
    for folder in (Path(address), *Path(address).parents):
        if (folder / ".git").exists() or _is_bare(folder):
            return str(folder)
    return address


def _is_bare(folder: Path) -> bool:
    """What git itself looks at: a bare repository may lie inside of another one's folder."""
    return (folder / "HEAD").is_file() and all((folder / name).is_dir() for name in ("objects", "refs"))


def head_of(address: str, branch: str) -> str:
    """The commit that a branch stands at; `InvalidInput` when there is none of that name."""
    listed = _git(None, "ls-remote", "--", repository_at(address), f"refs/heads/{branch}", seconds=LOOK_SECONDS)
    found = [line.split("\t") for line in listed.splitlines()]
    heads = [commit for commit, name in found if name == f"refs/heads/{branch}"]
    if not heads:
        raise InvalidInput(f"has no branch {branch!r}", place=address, remedy="push it, or name another one")
    return heads[0]


def clone(address: str, folder: Path, *, branch: str | None = None) -> None:
    """Clone a repository, or one branch of it, without files; contents come when they are asked for."""
    only = [f"--branch={branch}", "--single-branch"] if branch is not None else []
    words = ["clone", "--quiet", "--no-checkout", "--no-tags", "--filter=blob:none", *only]
    _git(None, *words, "--", repository_at(address), str(folder), seconds=CLONE_SECONDS)


def check_out(folder: Path, commit: str) -> None:
    """The files of a commit; links come as plain files, so that nothing leads out of the folder."""
    _git(folder, "-c", "core.symlinks=false", "checkout", "--quiet", "--detach", commit, seconds=CLONE_SECONDS)


def blob_at(folder: Path, commit: str, path: str) -> str | None:
    """The id of a file's content at a commit, None where the commit has no such file."""
    listed = _git(folder, "ls-tree", "-z", "--full-tree", commit, "--", path, seconds=LOOK_SECONDS)
    kind = listed.split("\t")[0].split(" ")
    return kind[2] if len(kind) == 3 and kind[1] == "blob" else None


def small_content(folder: Path, blob: str, *, place: str) -> str:
    """A content as text; `InvalidInput` for more than `MOST_BYTES`."""
    if int(_git(folder, "cat-file", "-s", blob, seconds=CLONE_SECONDS)) > MOST_BYTES:
        raise InvalidInput(f"has more than {MOST_BYTES} bytes", place=place)
    return _git(folder, "cat-file", "blob", blob, seconds=CLONE_SECONDS)


def files_named(folder: Path, commit: str, name: str) -> list[str]:
    """The paths of the files of that name at a commit."""
    listed = _git(folder, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, seconds=LOOK_SECONDS)
    return [path for path in listed.split("\0") if path == name or path.endswith(f"/{name}")]


def _git(folder: Path | None, *words: str, seconds: float) -> str:
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never", *words],
            cwd=folder or "/",
            env=_variables(),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise Unavailable(f"git has no answer after {seconds:g} s", place=_place(words)) from problem
    except FileNotFoundError as problem:
        raise Unavailable("the program git is missing", remedy="install it: apt-get install git") from problem
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        told = "; ".join(said[-3:])[:600] or f"status {done.returncode}"
        raise Unavailable(f"git refuses: {told}", place=_place(words), remedy="see that the site may read it")
    return done.stdout.decode("utf-8", "surrogateescape")


def _place(words: Sequence[str]) -> str | None:
    after = list(words)[list(words).index("--") + 1 :] if "--" in words else []
    return without_password(after[0]) if after else None


def _variables() -> dict[str, str]:
    ours = ("GIT_SSL_CAINFO", "GIT_SSH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in ours}
    return {
        **kept,
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=10",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_LITERAL_PATHSPECS": "1",
    }
