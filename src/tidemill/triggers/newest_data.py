"""The verb newest_data: for each file that a pipeline imports, the newest version that the site or a branch has."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tidemill.access import Actor
from tidemill.artifacts import Artifact
from tidemill.artifacts.store import artifact_by_id, page_of_artifacts
from tidemill.base.errors import Conflict, InvalidInput, NotFound, TidemillError, Unavailable
from tidemill.base.site import Site
from tidemill.data import DataOffer, DatasetVersion, Dvc, OwnSite, bind_file, list_versions
from tidemill.data import pull as pull_data
from tidemill.engine.importing import STORED
from tidemill.pipelines import Pipeline, local_imports
from tidemill.triggers.model import Action
from tidemill.triggers.sources.git_remote import check_out, clone, files_named, head_of

PROJECT_FILE = "tidemill.toml"
ALIKE = 200
"""How many artifacts of a name are looked at for the one of a version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataWanted:
    """What is asked for: the imports of a pipeline for an action; `reference` are the parameters of an earlier run."""

    pipeline: Pipeline
    action: Action
    reference: Mapping[str, Any]


def newest_data(site: Site, actor: Actor, dvc: Dvc, wanted: DataWanted) -> dict[str, str]:
    """The parameters that bring the data.

    With a repository, each file as its branch has it. Else the newest version that the site has recorded of the
    dataset that the earlier run read; a file without versions stays the one of that run. Raises `NotFound` or
    `Conflict` where the content is nowhere to be had, `Unavailable` when a remote does not answer.
    """
    imports = list(local_imports(wanted.pipeline))
    if not imports:
        return {}
    if wanted.action.repository:
        return _of_branch(site, actor, dvc, wanted.action, imports)
    return {parameter: STORED + _recorded(site, actor, dvc, wanted, parameter, path) for parameter, path in imports}


def _of_branch(site: Site, actor: Actor, dvc: Dvc, action: Action, imports: list[tuple[str, str]]) -> dict[str, str]:
    commit = head_of(action.repository, action.branch)
    with _checked_out(site, action.repository, commit, action.branch) as root:
        folder = root / _project_folder(root, commit, action.project)
        return {
            parameter: STORED + _pulled(site, actor, dvc, root, _inside(root, folder, path), path)
            for parameter, path in imports
        }


def _inside(root: Path, folder: Path, path: str) -> Path:
    """The folder that the path is read from, when the path stays in the repository."""
    target = (folder / path).resolve()
    if not target.is_relative_to(root.resolve()):
        raise InvalidInput("lies outside of the repository", place=path)
    return folder


def _pulled(site: Site, actor: Actor, dvc: Dvc, root: Path, folder: Path, path: str) -> str:
    """The artifact of a file of a checkout; a versioned one comes from its remote first."""
    try:
        if (folder / f"{path}.dvc").is_file():
            pull_data(actor, dvc, folder, [folder / path])
        return bind_file(OwnSite(site, actor), dvc, folder, path)[0]
    except TidemillError as problem:
        # the checkout is gone when this is read, and its remote is what matters
        told = (problem.place or "").replace(f"{root}/", "").replace(str(root), "")
        problem.place = told or path
        raise


def _recorded(site: Site, actor: Actor, dvc: Dvc, wanted: DataWanted, parameter: str, path: str) -> str:
    before = _artifact_read(site, actor, str(wanted.reference.get(parameter, "")), path)
    if "data_version" not in before.metadata:
        return before.id
    newest = _newest_version(site, actor, before)
    if newest is None or newest.hash == before.metadata["data_version"]:
        return before.id
    held = _held(site, actor, path, newest)
    if held is not None:
        return held
    return _fetched(site, actor, dvc, wanted.action, newest, path)


def _artifact_read(site: Site, actor: Actor, uri: str, path: str) -> Artifact:
    """What the earlier run read; what was brought in last under this path when that is not known."""
    with site.database.read() as connection:
        if uri.startswith(STORED):
            found = artifact_by_id(connection, actor.namespace_id, uri.removeprefix(STORED))
            if found is not None:
                return found
        named = page_of_artifacts(connection, actor.namespace_id, {"name": path}, after=None, limit=ALIKE)
    for each in named:
        if each.run_id is None and each.metadata.get("path") == path:
            return each
    raise NotFound("the site has never had this data", place=path, remedy="run the pipeline once: tidemill run")


def _newest_version(site: Site, actor: Actor, before: Artifact) -> DatasetVersion | None:
    """The version of the same dataset that the site saw last."""
    facts = before.metadata
    wanted = {"repository": str(facts["repository"]), "path": str(facts["dvc_file"]).removesuffix(".dvc")}
    found = list_versions(site, actor, filters=wanted, page_size=1).items
    return found[0] if found else None


def _held(site: Site, actor: Actor, path: str, version: DatasetVersion) -> str | None:
    """The artifact of a version whose bytes the site has, checked again; None when they have to come."""
    with site.database.read() as connection:
        named = page_of_artifacts(connection, actor.namespace_id, {"name": path}, after=None, limit=ALIKE)
    for each in named:
        facts = each.metadata
        is_version = (facts.get("data_version"), facts.get("repository")) == (version.hash, version.repository)
        if is_version and each.run_id is None and each.content is not None:
            offer = DataOffer(path=path, digest=each.content.digest, kind=each.content.kind, version_id=version.id)
            return OwnSite(site, actor).known_artifact(offer)
    return None


def _fetched(site: Site, actor: Actor, dvc: Dvc, action: Action, version: DatasetVersion, path: str) -> str:
    """The artifact of a recorded version, from the repository that the project was applied from."""
    remedy = "run once with it (tidemill run), or name the repository in the trigger"
    short = version.hash[4:16]
    if not action.folder or version.git_commit is None:
        raise NotFound(f"the site knows the version {short}, and has not its content", place=path, remedy=remedy)
    with _checked_out(site, action.folder, version.git_commit) as root:
        folder = root / PurePosixPath(version.dvc_file.removesuffix(".dvc").removesuffix(path))
        if not (folder / f"{path}.dvc").is_file():
            raise NotFound(f"the version {short} is not in {action.folder}", place=path, remedy=remedy)
        return _pulled(site, actor, dvc, root, _inside(root, folder, path), path)


@contextmanager
def _checked_out(site: Site, address: str, commit: str, branch: str | None = None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=site.home.work, prefix="checkout-") as made:
        root = Path(made) / "repository"
        clone(address, root, branch=branch)
        try:
            check_out(root, commit)
        except Unavailable as problem:
            raise Conflict(
                f"has no commit {commit[:12]}", place=address, remedy="push it, or commit the .dvc file"
            ) from problem
        yield root


def _project_folder(root: Path, commit: str, project: str) -> PurePosixPath:
    """Where the project lies in a repository: beside the `tidemill.toml` that names it."""
    found = []
    for path in files_named(root, commit, PROJECT_FILE):
        try:
            about = tomllib.loads((root / path).read_text()).get("project")
        except (OSError, ValueError):
            continue
        if isinstance(about, dict) and about.get("name") == project:
            found.append(PurePosixPath(path).parent)
    if len(found) != 1:
        told = f"{len(found)} files {PROJECT_FILE} name" if found else f"no {PROJECT_FILE} names"
        raise InvalidInput(f"{told} the project {project}", place="repository", remedy="commit it to the branch")
    return found[0]
