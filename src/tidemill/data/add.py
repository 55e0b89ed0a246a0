"""The verb add_data: content becomes a DVC version, and git gets its `.dvc` file."""

from __future__ import annotations

from pathlib import Path

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import InvalidInput, NotFound, StorageFull
from tidemill.base.site import Site
from tidemill.data import git
from tidemill.data.dvc import Dvc
from tidemill.data.dvc_file import SUFFIX, read_dvc_file
from tidemill.data.model import AddRequest, DatasetVersion
from tidemill.data.place import Place, locate
from tidemill.data.record import record_version


def add_data(site: Site, actor: Actor, dvc: Dvc, request: AddRequest) -> DatasetVersion:
    """Version a file or folder: `dvc add`, then one commit of what that wrote; the same content again changes nothing.

    Makes the folder a DVC project where it is none, with a default remote. An interrupted call is finished by the
    next one. Raises `NotFound` for a path that is not there, `InvalidInput` outside of a git repository (naming the
    command), `Conflict` when git refuses the commit, `StorageFull`, and what `Dvc` raises.
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
    dvc.initialise(place.dvc_root, _remote(site, place, request))
    dvc.add(place.dvc_root, place.data)
    message = request.message or f"Data: {place.relative(place.data)}"
    git.commit(place.git_root, _written(place), message, person=actor.person)
    return record_version(site, actor, place, read_dvc_file(place.dvc_file))


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


def _remote(site: Site, place: Place, request: AddRequest) -> str:
    """The address asked for, or else a folder in the home that no other project of the same name has."""
    if request.remote is not None:
        return request.remote if "://" in request.remote else str((request.project_dir / request.remote).absolute())
    folder = site.home.path / "remotes" / f"{place.dvc_root.name}-{place.dvc_root.stat().st_ino:x}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as problem:
        raise StorageFull(
            f"the remote cannot be made: {problem.strerror}", place=str(folder), remedy="free some space"
        ) from problem
    return str(folder)
