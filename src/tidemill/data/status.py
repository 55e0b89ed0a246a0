"""The verbs data_status and current_version: is the content here the version that its `.dvc` file names?"""

from __future__ import annotations

from pathlib import Path

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, NotFound
from tidemill.data import git
from tidemill.data.data_site import DataSite
from tidemill.data.dvc import Dvc
from tidemill.data.dvc_file import DvcFile, hash_file, read_dvc_file
from tidemill.data.model import DatasetStatus, DataState, KnownVersion
from tidemill.data.place import Place, locate_versioned, versioned_in
from tidemill.data.seen import recorded


def data_status(actor: Actor, dvc: Dvc, project_dir: Path) -> list[DatasetStatus]:
    """The datasets below a folder, by path. DVC answers from sizes and times where a file has not been touched."""
    actor.demand(Permission.READ)
    places = list(versioned_in(project_dir))
    states: dict[Path, DataState] = {}
    for root in sorted({place.dvc_root for place in places}):
        states |= dvc.states(root, [place.dvc_file for place in places if place.dvc_root == root])
    return [_status(place, states[place.dvc_file]) for place in places]


def current_version(site: DataSite, dvc: Dvc, project_dir: Path, path: Path) -> KnownVersion:
    """The version that somebody who reads the path now gets; what a run records.

    A path inside a versioned folder stands for the folder. A file's bytes are hashed, a folder is checked by DVC, so
    the answer holds for the moment: ask before and after reading, and compare the hashes. Raises `NotFound` for
    content that is not here or has no version, `Conflict` for content that differs from its version.
    """
    place = locate_versioned(project_dir, path)
    known = read_dvc_file(place.dvc_file)
    state = _checked(place, known, dvc)
    if state is DataState.MISSING:
        raise NotFound("is not here, only its version", place=str(path), remedy=f"tidemill data pull {path}")
    if state is DataState.CHANGED:
        raise Conflict(
            f"differs from its version ({known.hash[4:12]})",
            place=str(path),
            remedy=f"tidemill data add {path} makes a version of it; tidemill data pull --force {path} takes it back",
        )
    return recorded(site, place, known)


def versioned_files(dvc: Dvc, folder: Path) -> list[str]:
    """The files of a versioned folder that its version has, by their paths in it: `.dvcignore` leaves some out."""
    place = locate_versioned(folder.parent, folder)
    return dvc.files(place.dvc_root, place.data)


def _checked(place: Place, known: DvcFile, dvc: Dvc) -> DataState:
    if not known.data_path.exists():
        return DataState.MISSING
    if known.is_folder != known.data_path.is_dir():
        return DataState.CHANGED
    if known.is_folder:
        return dvc.states(place.dvc_root, [place.dvc_file])[place.dvc_file]
    same_size = known.data_path.stat().st_size == known.size_bytes
    return DataState.CURRENT if same_size and hash_file(known.data_path) == known.hash else DataState.CHANGED


def _status(place: Place, state: DataState) -> DatasetStatus:
    known = read_dvc_file(place.dvc_file)
    return DatasetStatus(
        path=place.relative(place.data),
        dvc_file=place.relative(place.dvc_file),
        hash=known.hash,
        size_bytes=known.size_bytes,
        state=state,
        git_commit=git.committed_at(place.git_root, place.dvc_file),
    )
