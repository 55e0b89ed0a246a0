"""The verb bind_file: a file or folder that a run shall read, as the artifact of just that content and version."""

from __future__ import annotations

from pathlib import Path

from tidemill.artifacts.pack import Parcel, pack_file, pack_folder
from tidemill.base.errors import InvalidInput, NotFound
from tidemill.data.data_site import DataSite
from tidemill.data.dvc import Dvc
from tidemill.data.model import DataOffer, KnownVersion
from tidemill.data.status import current_version, versioned_files


def bind_file(site: DataSite, dvc: Dvc, folder: Path, relative: str) -> tuple[str, KnownVersion | None]:
    """The id of the artifact of what a file or folder has now, and its version, None where it has none.

    The same content and version again is the same artifact, so that two runs on it have the same parameters. Raises
    `NotFound` for a file that is not there, `Conflict` for content that differs from its version.
    """
    path = folder / relative
    version = _version(site, dvc, folder, path)
    try:
        parcel = _parcel(dvc, path, version)
        offer = DataOffer(
            path=relative,
            digest=parcel.content.digest,
            kind=parcel.content.kind,
            version_id=None if version is None else version.id,
        )
        return site.known_artifact(offer) or site.send(offer, parcel), version
    except OSError as problem:
        raise InvalidInput(f"cannot be read: {problem.strerror}", place=problem.filename or str(path)) from problem


def _version(site: DataSite, dvc: Dvc, folder: Path, path: Path) -> KnownVersion | None:
    is_versioned = path.with_name(path.name + ".dvc").exists()
    if not path.exists() and not is_versioned:
        raise NotFound("the notebook reads it, and it is not there", place=str(path), remedy="bring the file here")
    return current_version(site, dvc, folder, path) if is_versioned else None


def _parcel(dvc: Dvc, path: Path, version: KnownVersion | None) -> Parcel:
    if not path.is_dir():
        return pack_file(path)
    return pack_folder(path, None if version is None else versioned_files(dvc, path))
