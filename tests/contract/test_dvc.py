"""What every `Dvc` keeps: one in a process of the command's own, and the site's."""

from __future__ import annotations

import hashlib
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill.base.errors import Conflict, InvalidInput, NotFound
from tidemill.data import DataState, Dvc, SiteDvc, Transfer, WarmDvc, git, own_umask
from tidemill.data.serve_dvc import serve_dvc
from tidemill.locks import Venv


@pytest.fixture(scope="module", params=["own", "site"])
def dvc(request: pytest.FixtureRequest, dvc_tool: Venv, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dvc]:
    """Each backend, warm for all tests here."""
    folder = tmp_path_factory.mktemp("dvc")
    if request.param == "own":
        own = WarmDvc(lambda: dvc_tool.python, folder / "dvc.log")
        yield own
        own.close()
        return
    stop = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        listener.listen()
        words = (listener, lambda: dvc_tool.python, folder / "dvc.log", stop)
        thread = threading.Thread(target=serve_dvc, args=words)
        thread.start()
        yield SiteDvc(folder / "s", {"PATH": "/usr/bin:/bin", "HOME": str(folder)}, own_umask())
        stop.set()
        thread.join()


@pytest.fixture
def root(tmp_path: Path, dvc: Dvc) -> Path:
    """A DVC project with a remote, in git."""
    folder = tmp_path / "project"
    folder.mkdir()
    git.create_repository(folder)
    dvc.initialise(folder, str(tmp_path / "remote"))
    (folder / "rows.csv").write_text("a,b\n1,2\n")
    return folder


class TestDvc:
    """The contract of `tidemill.data.dvc.Dvc`."""

    def test_a_project_is_made_once_and_its_remote_stays(self, dvc: Dvc, root: Path, tmp_path: Path) -> None:
        assert dvc.initialise(root, "s3://another/one") == str(tmp_path / "remote")
        assert (root / ".dvc").is_dir()

    def test_remotes_without_a_default_are_told_apart(self, dvc: Dvc, root: Path) -> None:
        config = root / ".dvc" / "config"
        config.write_text(config.read_text().replace("remote = storage\n", ""))
        assert dvc.initialise(root, "s3://another/one") is None

    def test_an_address_that_cannot_be_used_is_not_kept(self, dvc: Dvc, tmp_path: Path) -> None:
        git.create_repository(tmp_path)
        with pytest.raises(InvalidInput, match="Unsupported URL"):
            dvc.initialise(tmp_path, "nowhere://x")
        assert dvc.initialise(tmp_path, str(tmp_path / "remote")) == str(tmp_path / "remote")

    def test_content_becomes_a_version_by_its_md5(self, dvc: Dvc, root: Path) -> None:
        dvc.add(root, root / "rows.csv")
        md5 = hashlib.md5((root / "rows.csv").read_bytes()).hexdigest()
        assert md5 in (root / "rows.csv.dvc").read_text()
        with pytest.raises(NotFound):
            dvc.add(root, root / "none.csv")

    def test_states_are_current_changed_and_missing(self, dvc: Dvc, root: Path) -> None:
        dvc.add(root, root / "rows.csv")
        file = root / "rows.csv.dvc"
        assert dvc.states(root, [file]) == {file: DataState.CURRENT}
        (root / "rows.csv").write_text("changed")
        assert dvc.states(root, [file]) == {file: DataState.CHANGED}
        (root / "rows.csv").unlink()
        assert dvc.states(root, [file]) == {file: DataState.MISSING}

    def test_content_travels_to_the_remote_and_back(self, dvc: Dvc, root: Path) -> None:
        dvc.add(root, root / "rows.csv")
        file = root / "rows.csv.dvc"
        assert dvc.push(root, [file]) == Transfer(file_count=1)
        shutil.rmtree(root / ".dvc" / "cache")
        (root / "rows.csv").unlink()
        assert dvc.pull(root, [file], force=False) == Transfer(file_count=1, changed_paths=("rows.csv",))
        assert (root / "rows.csv").read_text() == "a,b\n1,2\n"

    def test_content_without_a_version_is_kept_unless_forced(self, dvc: Dvc, root: Path) -> None:
        dvc.add(root, root / "rows.csv")
        (root / "rows.csv").write_text("precious")
        with pytest.raises(Conflict):
            dvc.pull(root, [root / "rows.csv.dvc"], force=False)
        assert (root / "rows.csv").read_text() == "precious"
        dvc.pull(root, [root / "rows.csv.dvc"], force=True)
        assert (root / "rows.csv").read_text().startswith("a,b")

    def test_content_that_is_nowhere_is_not_found(self, dvc: Dvc, root: Path) -> None:
        dvc.add(root, root / "rows.csv")
        shutil.rmtree(root / ".dvc" / "cache")
        (root / "rows.csv").unlink()
        with pytest.raises(NotFound):
            dvc.push(root, [root / "rows.csv.dvc"])
        with pytest.raises(NotFound):
            dvc.pull(root, [root / "rows.csv.dvc"], force=False)

    def test_the_files_of_a_folder_are_those_of_its_version(self, dvc: Dvc, root: Path, tmp_path: Path) -> None:
        (root / "images" / "ü").mkdir(parents=True)
        (tmp_path / "elsewhere").write_text("elsewhere")
        for name in ("one", "ü/two", "left.tmp"):
            (root / "images" / name).write_text(name)
        (root / "images" / "link").symlink_to(tmp_path / "elsewhere")
        (root / ".dvcignore").write_text("*.tmp\n")
        assert dvc.files(root, root / "images") == ["link", "one", "ü/two"]

    def test_it_goes_on_after_it_was_closed(self, dvc: Dvc, root: Path) -> None:
        dvc.close()
        assert dvc.states(root, []) == {}
