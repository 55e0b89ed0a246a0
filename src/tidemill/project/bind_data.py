"""The verb bind_data: the data files that a pipeline imports, as verified versions in the site's store."""

from __future__ import annotations

from dataclasses import replace

from tidemill.data import DataSite, Dvc, bind_file, git
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
        artifact_id, version = bind_file(site, dvc, prepared.folder, relative)
        parameters[parameter] = STORED + artifact_id
        if version is None:
            warnings.append(f"{relative} has no version: tidemill data add {relative}")
    origin = {**prepared.origin, "commit": code_commit(prepared)}
    return replace(prepared, parameters=parameters, origin=origin, warnings=tuple(warnings))


def code_commit(prepared: Prepared) -> str | None:
    """The commit that brought the source file as it is now; None for one that is not committed so."""
    root = git.repository_root(prepared.folder)
    file = prepared.folder / str(prepared.origin["file"])
    return None if root is None else git.committed_at(root, file)
