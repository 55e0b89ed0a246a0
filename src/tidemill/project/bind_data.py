"""The verb bind_data: the data files that a pipeline imports, as verified versions in the site's store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tidemill.artifacts.pack import Parcel, pack_file, pack_folder
from tidemill.base.errors import InvalidInput, NotFound
from tidemill.data import DataOffer, DataSite, Dvc, KnownVersion, current_version, git, versioned_files
from tidemill.engine.importing import STORED
from tidemill.pipelines import local_imports
from tidemill.project.prepare import Prepared


def bind_data(site: DataSite, dvc: Dvc, prepared: Prepared) -> Prepared:
    """Give each importer of a local file the content that the file has now; it is sent only where the site has not got
    it, and checked there.

    A file with a DVC version must have just that content (`Conflict` else): the site compares what it keeps with the
    version's hash, so that a run never records a version that it did not read. A file without a version is taken as
    it is, and said so in the warnings. Raises `NotFound` for a file that is not there.
    """
    parameters = dict(prepared.parameters)
    warnings = list(prepared.warnings)
    for parameter, relative in local_imports(prepared.pipeline):
        if parameter in parameters:
            continue
        path = prepared.folder / relative
        version = _version(site, dvc, prepared.folder, path)
        parameters[parameter] = STORED + _taken(site, dvc, path, relative, version)
        if version is None:
            warnings.append(f"{relative} has no version: tidemill data add {relative}")
    origin = {**prepared.origin, "commit": code_commit(prepared)}
    return replace(prepared, parameters=parameters, origin=origin, warnings=tuple(warnings))


def code_commit(prepared: Prepared) -> str | None:
    """The commit that brought the source file as it is now; None for one that is not committed so."""
    root = git.repository_root(prepared.folder)
    file = prepared.folder / str(prepared.origin["file"])
    return None if root is None else git.committed_at(root, file)


def _version(site: DataSite, dvc: Dvc, folder: Path, path: Path) -> KnownVersion | None:
    is_versioned = path.with_name(path.name + ".dvc").exists()
    if not path.exists() and not is_versioned:
        raise NotFound("the notebook reads it, and it is not there", place=str(path), remedy="bring the file here")
    return current_version(site, dvc, folder, path) if is_versioned else None


def _taken(site: DataSite, dvc: Dvc, path: Path, relative: str, version: KnownVersion | None) -> str:
    """The artifact of what the file or folder has now; the same content and version again is the same artifact, so
    that two runs on it have the same parameters."""
    try:
        parcel = _parcel(dvc, path, version)
        offer = DataOffer(
            path=relative,
            digest=parcel.content.digest,
            kind=parcel.content.kind,
            version_id=None if version is None else version.id,
        )
        return site.known_artifact(offer) or site.send(offer, parcel)
    except OSError as problem:
        raise InvalidInput(f"cannot be read: {problem.strerror}", place=problem.filename or str(path)) from problem


def _parcel(dvc: Dvc, path: Path, version: KnownVersion | None) -> Parcel:
    if not path.is_dir():
        return pack_file(path)
    return pack_folder(path, None if version is None else versioned_files(dvc, path))
