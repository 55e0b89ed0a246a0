"""The verb add_data: content becomes a DVC version, and git gets its `.dvc` file."""

from __future__ import annotations

import os
from pathlib import Path

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import InvalidInput, NotFound, StorageFull
from tidemill.data import git
from tidemill.data.data_site import DataSite
from tidemill.data.dvc import Dvc
from tidemill.data.dvc_file import SUFFIX, read_dvc_file
from tidemill.data.model import Added, AddRequest
from tidemill.data.place import Place, locate
from tidemill.data.seen import recorded


def add_data(actor: Actor, dvc: Dvc, site: DataSite, request: AddRequest) -> Added:
    """Version a file or folder: `dvc add`, then one commit of what that wrote; the same content again changes nothing.

    Makes the folder a DVC project where it is none, with a default remote. An interrupted call is finished by the
    next one. Raises `NotFound` for a path that is not there, `InvalidInput` outside of a git repository (naming the
    command), `Conflict` when git refuses the commit, `StorageFull`, and what `Dvc` and `DataSite` raise.
    """
    actor.demand(Permission.WRITE)
    if request.create_repository and git.repository_root(request.project_dir) is None:
        git.create_repository(request.project_dir)
    place = locate(request.project_dir, request.path)
    if request.path.name.endswith(SUFFIX):
        raise InvalidInput("is a version file; name the data itself", place=str(request.path))
    if ":" in place.data.relative_to(place.dvc_root).as_posix():
        raise InvalidInput("has a colon in its name, which DVC takes for something else", place=str(request.path))
    if not place.data.exists():
        raise NotFound("there is no such file or folder", place=str(request.path))
    wanted = _remote(place, request)
    remote = dvc.initialise(place.dvc_root, wanted)
    dvc.add(place.dvc_root, place.data)
    message = request.message or f"Data: {place.relative(place.data)}"
    git.commit(place.git_root, _written(place), message, person=actor.person)
    return Added(
        version=recorded(site, place, read_dvc_file(place.dvc_file)),
        remote=None if remote is None else git.without_password(remote),
        is_remote_kept=request.remote is not None and _plain(remote) != _plain(wanted),
    )


def _plain(address: str | None) -> str | None:
    return address if address is None or "://" in address else os.path.normpath(address)


def _written(place: Place) -> list[Path]:
    """The files that DVC writes for git: the version, the pattern that keeps the data out of git, and its project."""
    root = place.dvc_root
    files = [
        place.dvc_file,
        place.data.parent / ".gitignore",
        root / ".dvc" / "config",
        root / ".dvc" / ".gitignore",
        root / ".dvcignore",
    ]
    return [path for path in files if path.exists()]


def _remote(place: Place, request: AddRequest) -> str:
    """The address asked for, or else a folder among the remotes that no other project of the same name has."""
    if request.remote is not None:
        return request.remote if "://" in request.remote else str((request.project_dir / request.remote).absolute())
    folder = request.remotes / f"{place.dvc_root.name}-{place.dvc_root.stat().st_ino:x}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as problem:
        raise StorageFull(
            f"the remote cannot be made: {problem.strerror}", place=str(folder), remedy="free some space"
        ) from problem
    return str(folder)
