"""The verbs push and pull: content travels to and from the default remote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import NotFound
from tidemill.data.dvc import Dvc
from tidemill.data.model import Transfer
from tidemill.data.place import Place, locate_versioned, versioned_in


def push(actor: Actor, dvc: Dvc, project_dir: Path, paths: Sequence[Path] = ()) -> Transfer:
    """Bring the versions in the working folder to the remote; all below `project_dir` when no paths are given.

    Raises `NotFound` for a path without a version or content that is not here, and what `Dvc` raises.
    """
    actor.demand(Permission.WRITE)
    places = _places(project_dir, paths)
    return _together([dvc.push(root, files) for root, files in _by_root(places).items()])


def pull(actor: Actor, dvc: Dvc, project_dir: Path, paths: Sequence[Path] = (), *, force: bool = False) -> Transfer:
    """Bring the content of the versions here; all below `project_dir` when no paths are given.

    Content that has no version is kept unless `force` says otherwise. Raises `NotFound` for content that is in no
    remote, `Conflict` where content would be lost, and what `Dvc` raises.
    """
    actor.demand(Permission.WRITE)
    places = _places(project_dir, paths)
    return _together([dvc.pull(root, files, force=force) for root, files in _by_root(places).items()])


def _places(project_dir: Path, paths: Sequence[Path]) -> list[Place]:
    if paths:
        return [locate_versioned(project_dir, path) for path in paths]
    places = list(versioned_in(project_dir))
    if not places:
        raise NotFound("has no data with a version", place=str(project_dir), remedy="tidemill data add FILE")
    return places


def _by_root(places: Sequence[Place]) -> dict[Path, list[Path]]:
    found: dict[Path, list[Path]] = {}
    for place in places:
        found.setdefault(place.dvc_root, []).append(place.dvc_file)
    return found


def _together(transfers: Sequence[Transfer]) -> Transfer:
    return Transfer(
        file_count=sum(transfer.file_count for transfer in transfers),
        changed_paths=tuple(path for transfer in transfers for path in transfer.changed_paths),
    )
