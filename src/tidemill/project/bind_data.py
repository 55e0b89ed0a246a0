"""The verb bind_data: the data files that a pipeline imports, as verified versions in the store."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tidemill.access import Actor
from tidemill.artifacts import NewArtifact, ingest, list_artifacts, record_artifact
from tidemill.base.errors import Conflict, InvalidInput, NotFound, StorageFull
from tidemill.base.site import Site
from tidemill.data import DatasetVersion, Dvc, current_version, git
from tidemill.engine.importing import STORED
from tidemill.pipelines import Pipeline
from tidemill.pipelines.model import FromInput, ImporterExecutor
from tidemill.project.prepare import Prepared


def bind_data(site: Site, actor: Actor, dvc: Dvc, prepared: Prepared) -> Prepared:
    """Give each importer of a local file the content that the file has now, taken into the store once and checked.

    A file with a DVC version must have just that content (`Conflict` else): the copy in the store is compared with
    the version's hash, so that a run never records a version that it did not read. A file without a version is taken
    as it is, and said so in the warnings. Raises `NotFound` for a file that is not there.
    """
    parameters = dict(prepared.parameters)
    data: dict[str, str] = {}
    warnings = list(prepared.warnings)
    for parameter, relative in local_imports(prepared.pipeline):
        if parameter in parameters:
            continue
        version = _version(site, actor, dvc, prepared.folder, relative)
        artifact_id = _take(site, actor, prepared.folder, relative, version)
        parameters[parameter] = STORED + artifact_id
        if version is None:
            warnings.append(f"{relative} has no version: tidemill data add {relative}")
        else:
            data[relative] = version.hash
    origin = {**prepared.origin, "commit": code_commit(prepared), **({"data": data} if data else {})}
    return replace(prepared, parameters=parameters, origin=origin, warnings=tuple(warnings))


def code_commit(prepared: Prepared) -> str | None:
    """The commit that brought the source file as it is now; None for one that is not committed so."""
    root = git.repository_root(prepared.folder)
    file = prepared.folder / str(prepared.origin["file"])
    return None if root is None else git.committed_at(root, file)


def local_imports(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """The root parameters that want the URI of a file beside the notebook, each with the file's relative path."""
    dag = pipeline.root.dag
    for task in dag.tasks.values() if dag is not None else ():
        executor = pipeline.components[task.component].executor
        if not isinstance(executor, ImporterExecutor) or executor.uri_input is None:
            continue
        bound = task.parameters.get(executor.uri_input)
        if isinstance(bound, FromInput) and pipeline.root.inputs.parameters[bound.name].required:
            yield bound.name, task.display_name


def _version(site: Site, actor: Actor, dvc: Dvc, folder: Path, relative: str) -> DatasetVersion | None:
    path = folder / relative
    if not path.exists() and not path.with_name(path.name + ".dvc").exists():
        raise NotFound("the notebook reads it, and it is not there", place=str(path), remedy="bring the file here")
    if not path.with_name(path.name + ".dvc").exists():
        return None
    return current_version(site, actor, dvc, folder, path)


def _take(site: Site, actor: Actor, folder: Path, relative: str, version: DatasetVersion | None) -> str:
    path = folder / relative
    copy = site.home.work / f"data-{site.ids.new()}"
    metadata: dict[str, Any] = {"path": relative}
    try:
        if path.is_dir():
            shutil.copytree(path, copy)
        else:
            shutil.copyfile(path, copy)
        if version is not None:
            _check(copy, version, path)
            metadata |= {"data_version": version.hash, "git_commit": version.git_commit, "dvc_file": version.dvc_file}
        content = ingest(site, copy)
    except OSError as problem:
        if problem.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull(
                f"has no room for a copy of {relative}", place=str(site.home.path), remedy="free some space, run again"
            ) from problem
        raise InvalidInput(f"cannot be read: {problem.strerror}", place=str(path)) from problem
    finally:
        if copy.is_dir():
            shutil.rmtree(copy)
        copy.unlink(missing_ok=True)
    # the same version read again is the same artifact, so that two runs on it have the same parameters
    known = list_artifacts(site, actor, filters={"digest": content.digest, "name": relative}, page_size=50)
    for one in known.items:
        if one.metadata == metadata and one.run_id is None:
            return one.id
    new = NewArtifact(name=relative, type="system.Dataset", content=content, uri=relative, metadata=metadata)
    with site.database.write() as connection:
        made = record_artifact(connection, site, new, namespace_id=actor.namespace_id, created_by=actor.person)
    return made.id


def _check(copy: Path, version: DatasetVersion, path: Path) -> None:
    """The copy is what the version names: the file may have changed since it was looked at."""
    if copy.is_file():
        with copy.open("rb") as file:
            found = "md5:" + hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found != version.hash:
            raise Conflict("changed while it was read", place=str(path), remedy="tidemill data status")
