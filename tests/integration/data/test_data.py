"""Dataset versions with the real DVC and the real git."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.data.verbs import SiteVerbs, known

from tidemill.access import Actor
from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound, StorageFull, Unavailable
from tidemill.base.events import events_of
from tidemill.base.site import Site
from tidemill.data import (
    Added,
    AddRequest,
    DataState,
    KnownVersion,
    WarmDvc,
    add_data,
    current_version,
    data_status,
    list_versions,
    pull,
    push,
)
from tidemill.locks import Venv

CARS = Path("data/cars.csv")


@pytest.fixture(scope="session")
def dvc(dvc_tool: Venv, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmDvc]:
    """One warm DVC for all tests."""
    warm = WarmDvc(lambda: dvc_tool.python, tmp_path_factory.mktemp("log") / "data.log")
    yield warm
    warm.close()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with one table in it; git knows nobody's name."""
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / CARS).write_text("weight,l\n1200,7\n900,5\n")
    _git(folder, "init", "--quiet")
    return folder


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def _add(site: Site, owner: Actor, dvc: WarmDvc, project: Path, path: Path = CARS) -> KnownVersion:
    request = AddRequest(project_dir=project, path=path, remotes=site.home.path / "remotes")
    return _added(site, owner, dvc, request).version


def _added(site: Site, owner: Actor, dvc: WarmDvc, request: AddRequest) -> Added:
    return add_data(owner, dvc, SiteVerbs(site, owner), request)


def test_a_file_becomes_a_version_in_git_with_a_remote(site: Site, owner: Actor, dvc: WarmDvc, project: Path) -> None:
    version = _add(site, owner, dvc, project)
    head = _git(project, "rev-parse", "HEAD").strip()
    assert version.hash == "md5:" + hashlib.md5((project / CARS).read_bytes()).hexdigest()
    assert (version.path, version.dvc_file) == ("data/cars.csv", "data/cars.csv.dvc")
    assert (version.size_bytes, version.file_count, version.row_count) == (22, 1, 2)
    assert (version.git_commit, version.repository) == (head, f"git:{head}")
    assert _git(project, "log", "--format=%an %s").strip() == "olga Data: data/cars.csv"
    assert _git(project, "status", "--porcelain") == ""
    assert "data/cars.csv" not in _git(project, "ls-files").split()
    assert [known(one) for one in list_versions(site, owner).items] == [version]


def test_adding_the_same_content_again_changes_nothing(site: Site, owner: Actor, dvc: WarmDvc, project: Path) -> None:
    first = _add(site, owner, dvc, project)
    assert _add(site, owner, dvc, project) == first
    assert len(_git(project, "log", "--format=%H").split()) == 1
    with site.database.read() as connection:
        events = events_of(connection, namespace_id=owner.namespace_id, subject_id=first.id)
    assert [event.kind for event in events] == ["data.version_seen"]


def test_new_content_is_a_new_version_of_the_same_dataset(
    site: Site, owner: Actor, dvc: WarmDvc, project: Path
) -> None:
    first = _add(site, owner, dvc, project)
    (project / CARS).write_text("weight,l\n1500,9\n")
    second = _add(site, owner, dvc, project)
    assert second.repository == first.repository
    assert second.hash != first.hash
    assert second.git_commit != first.git_commit
    listed = list_versions(site, owner, filters={"path": "data/cars.csv"}).items
    assert [known(one) for one in listed] == [second, first]


def test_what_somebody_else_has_staged_is_not_committed(site: Site, owner: Actor, dvc: WarmDvc, project: Path) -> None:
    (project / "mine.txt").write_text("not yet")
    _git(project, "add", "mine.txt")
    _add(site, owner, dvc, project)
    assert _git(project, "status", "--porcelain") == "A  mine.txt\n"


def test_a_clone_gets_the_same_bytes_with_plain_dvc(
    site: Site, owner: Actor, dvc: WarmDvc, project: Path, dvc_tool: Venv, tmp_path: Path
) -> None:
    _add(site, owner, dvc, project)
    assert push(owner, dvc, project).file_count == 1
    assert push(owner, dvc, project).file_count == 0
    clone = tmp_path / "clone"
    _git(tmp_path, "clone", "--quiet", str(project), str(clone))
    plain: list[str | Path] = [dvc_tool.path / "bin" / "dvc", "pull", "--quiet"]
    subprocess.run(plain, cwd=clone, env={**os.environ, "DVC_NO_ANALYTICS": "1"}, check=True, capture_output=True)
    assert (clone / CARS).read_bytes() == (project / CARS).read_bytes()


def test_a_pull_brings_what_is_missing(site: Site, owner: Actor, dvc: WarmDvc, project: Path) -> None:
    version = _add(site, owner, dvc, project)
    push(owner, dvc, project)
    shutil.rmtree(project / ".dvc" / "cache")
    (project / CARS).unlink()
    with pytest.raises(NotFound, match="is not here") as caught:
        current_version(SiteVerbs(site, owner), dvc, project, CARS)
    assert caught.value.remedy == "tidemill data pull data/cars.csv"
    done = pull(owner, dvc, project, [CARS])
    assert (done.file_count, done.changed_paths) == (1, ("data/cars.csv",))
    assert current_version(SiteVerbs(site, owner), dvc, project, CARS) == version


def test_a_remote_that_was_chosen_is_kept_and_told(
    site: Site, owner: Actor, dvc: WarmDvc, project: Path, tmp_path: Path
) -> None:
    chosen = tmp_path / "gewählt, mit 'leer'"
    request = AddRequest(project_dir=project, path=CARS, remotes=tmp_path / "remotes", remote=f"../{chosen.name}")
    first = _added(site, owner, dvc, request)
    again = _added(site, owner, dvc, request)
    other = _added(site, owner, dvc, replace(request, remote=str(tmp_path / "other")))
    unasked = _added(site, owner, dvc, replace(request, remote=None))
    assert [Path(each.remote or "").resolve() for each in (first, again, other, unasked)] == [chosen] * 4
    assert [each.is_remote_kept for each in (first, again, other, unasked)] == [False, False, True, False]
    push(owner, dvc, project)
    assert len([path for path in chosen.rglob("*") if path.is_file()]) == 1


def test_a_remote_is_told_without_its_password(site: Site, owner: Actor, dvc: WarmDvc, project: Path) -> None:
    request = AddRequest(project_dir=project, path=CARS, remotes=project, remote="https://maya:secret@example.org/dvc")
    assert _added(site, owner, dvc, request).remote == "https://example.org/dvc"


def test_the_status_tells_current_changed_and_missing(site: Site, owner: Actor, dvc: WarmDvc, project: Path) -> None:
    images = project / "images"
    images.mkdir()
    (images / "one").write_text("1")
    _add(site, owner, dvc, project)
    _add(site, owner, dvc, project, Path("images"))
    assert [(one.path, one.state) for one in data_status(owner, dvc, project)] == [
        ("images", DataState.CURRENT),
        ("data/cars.csv", DataState.CURRENT),
    ]
    (images / "two").write_text("2")
    (project / CARS).unlink()
    assert [one.state for one in data_status(owner, dvc, project)] == [DataState.CHANGED, DataState.MISSING]


def test_a_folder_is_one_version_and_a_path_in_it_stands_for_it(
    site: Site, owner: Actor, dvc: WarmDvc, project: Path
) -> None:
    version = _add(site, owner, dvc, project, Path("data"))
    assert version.hash.endswith(".dir")
    assert current_version(SiteVerbs(site, owner), dvc, project, CARS) == version
    (project / CARS).write_text("weight,l\n1,1\n")
    with pytest.raises(Conflict, match="differs from its version"):
        current_version(SiteVerbs(site, owner), dvc, project, CARS)


def test_a_changed_file_is_never_taken_for_its_version(site: Site, owner: Actor, dvc: WarmDvc, project: Path) -> None:
    _add(site, owner, dvc, project)
    path = project / CARS
    before = path.stat()
    path.write_text(path.read_text().replace("900", "901"))  # the same size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # and time
    with pytest.raises(Conflict, match="differs from its version") as caught:
        current_version(SiteVerbs(site, owner), dvc, project, CARS)
    assert "tidemill data add data/cars.csv" in str(caught.value)


def test_a_version_that_is_not_committed_yet_has_no_commit_until_it_is(
    site: Site, owner: Actor, dvc: WarmDvc, project: Path
) -> None:
    _add(site, owner, dvc, project)
    (project / CARS).write_text("weight,l\n7,7\n")
    dvc.add(project, project / CARS)
    assert current_version(SiteVerbs(site, owner), dvc, project, CARS).git_commit is None
    added = _add(site, owner, dvc, project)
    assert added.git_commit == _git(project, "rev-parse", "HEAD").strip()
    assert current_version(SiteVerbs(site, owner), dvc, project, CARS) == added


def test_data_outside_of_a_repository_is_a_clear_error_with_the_command(
    site: Site, owner: Actor, dvc: WarmDvc, tmp_path: Path
) -> None:
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "x.csv").write_text("x\n")
    request = AddRequest(project_dir=tmp_path / "loose", path=Path("x.csv"), remotes=tmp_path / "remotes")
    with pytest.raises(InvalidInput, match="is not in a git repository") as caught:
        _added(site, owner, dvc, request)
    assert caught.value.remedy == f"git init {tmp_path / 'loose'}"
    assert _added(site, owner, dvc, replace(request, create_repository=True)).version.row_count == 0


def test_a_file_that_git_keeps_is_a_clear_error(site: Site, owner: Actor, dvc: WarmDvc, project: Path) -> None:
    _git(project, "add", str(CARS))
    with pytest.raises(InvalidInput) as caught:
        _add(site, owner, dvc, project)
    assert "git rm" in str(caught.value)


@pytest.mark.parametrize("path", ["none.csv", "data/cars.csv.dvc", "a:b"])
def test_what_cannot_be_added_is_refused(site: Site, owner: Actor, dvc: WarmDvc, project: Path, path: str) -> None:
    with pytest.raises((NotFound, InvalidInput)):
        _add(site, owner, dvc, project, Path(path))
    assert not (project / ".dvc").exists()


@pytest.mark.parametrize("path", ["../outside.csv", "/etc/hostname", ".", "link.csv"])
def test_a_path_that_leads_out_is_refused(site: Site, owner: Actor, dvc: WarmDvc, project: Path, path: str) -> None:
    (project.parent / "outside.csv").write_text("x\n")
    (project / "link.csv").symlink_to(project.parent / "outside.csv")
    with pytest.raises(InvalidInput):
        _add(site, owner, dvc, project, Path(path))


@pytest.mark.parametrize("name", ["--help", "a b'c\"$(x).csv", "größe.csv", "(top)x", "[ab]*.csv"])
def test_a_strange_name_is_only_a_name(site: Site, owner: Actor, dvc: WarmDvc, project: Path, name: str) -> None:
    (project / name).write_text("x\n1\n")
    version = _add(site, owner, dvc, project, Path(name))
    assert (version.path, version.dvc_file) == (name, f"{name}.dvc")
    assert version.git_commit is not None
    assert current_version(SiteVerbs(site, owner), dvc, project, Path(name)) == version
    assert push(owner, dvc, project, [Path(name)]).file_count == 1


def test_a_path_without_a_version_names_the_command(site: Site, owner: Actor, dvc: WarmDvc, project: Path) -> None:
    with pytest.raises(NotFound, match="has no version yet") as caught:
        current_version(SiteVerbs(site, owner), dvc, project, CARS)
    assert caught.value.remedy == "tidemill data add data/cars.csv"
    with pytest.raises(NotFound):
        push(owner, dvc, project)


def test_a_viewer_reads_and_does_not_write(site: Site, owner: Actor, dvc: WarmDvc, project: Path) -> None:
    from tidemill.access import Role

    viewer = replace(owner, roles=frozenset({Role.VIEWER}))
    with pytest.raises(Forbidden):
        _add(site, viewer, dvc, project)
    with pytest.raises(Forbidden):
        push(viewer, dvc, project)
    assert data_status(viewer, dvc, project) == []


def test_a_refused_commit_leaves_the_version_for_the_next_call(
    site: Site, owner: Actor, dvc: WarmDvc, project: Path
) -> None:
    hook = project / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Conflict, match="not today"):
        _add(site, owner, dvc, project)
    hook.unlink()
    assert _add(site, owner, dvc, project).git_commit is not None


def test_a_child_that_is_killed_is_an_error_and_started_anew(
    site: Site, owner: Actor, dvc_tool: Venv, project: Path, tmp_path: Path
) -> None:
    own = WarmDvc(lambda: dvc_tool.python, tmp_path / "data.log")
    try:
        _add(site, owner, own, project)
        assert own._child is not None
        os.kill(own._child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, own._child.pid, os.WEXITED | os.WNOWAIT)
        assert data_status(owner, own, project)[0].state is DataState.CURRENT
    finally:
        own.close()
    assert own._child is None


def test_a_child_that_ends_in_its_work_is_unavailable(project: Path, tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nread line\nexit 1\n")
    script.chmod(0o755)
    broken = WarmDvc(lambda: script, tmp_path / "data.log")
    with pytest.raises(Unavailable, match="ended in the middle of its work"):
        broken.states(project, [])
    broken.close()


def test_a_second_request_is_fast(site: Site, owner: Actor, dvc: WarmDvc, project: Path) -> None:
    _add(site, owner, dvc, project)
    began = time.perf_counter()
    current_version(SiteVerbs(site, owner), dvc, project, CARS)
    data_status(owner, dvc, project)
    assert time.perf_counter() - began < 2, "DVC was started again"


def test_a_full_remote_is_storage_full(site: Site, owner: Actor, dvc: WarmDvc, project: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", small], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        (project / "large").write_bytes(os.urandom(300_000))
        remote = str(small / "store")
        request = AddRequest(project_dir=project, path=Path("large"), remotes=tmp_path / "remotes", remote=remote)
        _added(site, owner, dvc, request)
        with pytest.raises(StorageFull):
            push(owner, dvc, project)
    finally:
        subprocess.run(["umount", small], check=True)
