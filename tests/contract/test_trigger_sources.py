"""What every source of triggers keeps; a plug-in's own test derives from `SourceContract`."""

from __future__ import annotations

import json
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pytest

from tidemill.base.errors import InvalidInput, TidemillError, Unavailable
from tidemill.base.home import Home, open_home
from tidemill.triggers.sources import files
from tidemill.triggers.sources.branch import BranchSource
from tidemill.triggers.sources.contract import TriggerSource
from tidemill.triggers.sources.files import FilesSource
from tidemill.triggers.sources.git_remote import check_address, check_branch, head_of


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with its folders."""
    return open_home(tmp_path / "home")


class SourceContract(ABC):
    """The contract; `looks` is how many looks a change may take to be told."""

    looks = 1

    @abstractmethod
    def source(self) -> TriggerSource:
        """The source."""

    @abstractmethod
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        """Settings of something that is there now."""

    @abstractmethod
    def change(self, tmp_path: Path, number: int) -> None:
        """Change what the settings name; another number is another change."""

    def test_the_first_look_has_no_key_and_nothing_new_has_none(self, tmp_path: Path, home: Home) -> None:
        source, settings = self.source(), self._checked(tmp_path)
        self.change(tmp_path, 1)
        first = source.look(home, settings, None)
        assert first.key is None
        again = source.look(home, settings, _stored(first.cursor))
        assert (again.key, again.cursor) == (None, first.cursor)

    def test_a_change_has_one_key_however_often_it_is_seen(self, tmp_path: Path, home: Home) -> None:
        source, settings = self.source(), self._checked(tmp_path)
        self.change(tmp_path, 1)
        cursor = _stored(source.look(home, settings, None).cursor)
        keys = []
        for number in (2, 3):
            self.change(tmp_path, number)
            for _ in range(self.looks - 1):
                cursor = _stored(source.look(home, settings, cursor).cursor)
            found = [source.look(home, settings, cursor) for _ in range(2)]
            assert found[0] == found[1]
            assert found[0].key is not None
            assert json.dumps(dict(found[0].cause))
            keys.append(found[0].key)
            cursor = _stored(found[0].cursor)
            assert source.look(home, settings, cursor).key is None
        assert len(set(keys)) == 2

    def test_checked_settings_are_json_and_are_checked_again_alike(self, tmp_path: Path) -> None:
        settings = self._checked(tmp_path)
        assert self.source().check(_stored(settings), place="triggers.new") == settings

    def test_settings_that_are_missing_or_hostile_are_refused_below_their_place(self, tmp_path: Path) -> None:
        good = self._checked(tmp_path)
        for key in good:
            for bad in ("\n", "a" * 10_000, "\x00"):
                with pytest.raises(InvalidInput) as caught:
                    self.source().check({**good, key: bad}, place="triggers.new")
                assert (caught.value.place or "").startswith("triggers.new")
        with pytest.raises(InvalidInput):
            self.source().check({}, place="triggers.new")

    def _checked(self, tmp_path: Path) -> dict[str, Any]:
        return self.source().check(self.settings(tmp_path), place="triggers.new")


def _stored(cursor: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(cursor))
    return found


class TestFiles(SourceContract):
    looks = 2  # what is being written is looked at again

    def source(self) -> TriggerSource:
        return FilesSource()

    def settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"path": str(tmp_path / "arrivals" / "*.csv")}

    def change(self, tmp_path: Path, number: int) -> None:
        (tmp_path / "arrivals").mkdir(exist_ok=True)
        (tmp_path / "arrivals" / "cars.csv").write_text("row\n" * number)

    def test_the_same_content_written_again_is_no_change(self, tmp_path: Path, home: Home) -> None:
        source, settings = self.source(), self._checked(tmp_path)
        self.change(tmp_path, 1)
        cursor = source.look(home, settings, None).cursor
        (tmp_path / "arrivals" / "cars.csv").unlink()
        self.change(tmp_path, 1)
        for _ in range(3):
            sighting = source.look(home, settings, cursor)
            assert sighting.key is None
            cursor = sighting.cursor

    def test_the_sites_own_files_and_too_many_are_refused(
        self, tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (home.keys / "secret").write_text("x")
        (tmp_path / "link").symlink_to(home.keys)
        for path in (home.path, tmp_path / "link"):
            with pytest.raises(InvalidInput, match="the site's own"):
                self.source().look(home, {"path": str(path)}, None)
        monkeypatch.setattr(files, "MOST_FILES", 2)
        for number in range(3):
            (tmp_path / f"{number}.csv").write_text("x")
        with pytest.raises(InvalidInput, match="more than 2 files"):
            self.source().look(home, {"path": str(tmp_path / "*.csv")}, None)


class TestBranch(SourceContract):
    def source(self) -> TriggerSource:
        return BranchSource()

    def settings(self, tmp_path: Path) -> dict[str, Any]:
        self.change(tmp_path, 0)
        return {"repository": str(tmp_path / "work"), "branch": "main", "path": "data/cars.csv.dvc"}

    def change(self, tmp_path: Path, number: int) -> None:
        work = tmp_path / "work"
        if not work.exists():
            git(tmp_path, "init", "--quiet", "--initial-branch=main", str(work))
        (work / "data").mkdir(exist_ok=True)
        text = f"outs:\n- md5: {number:032x}\n  size: 3\n  hash: md5\n  path: cars.csv\n"
        (work / "data" / "cars.csv.dvc").write_text(text)
        git(work, "add", "--all")
        git(work, "commit", "--quiet", "--allow-empty", f"--message=version {number}")

    def test_a_commit_that_leaves_the_data_alone_is_no_change(self, tmp_path: Path, home: Home) -> None:
        source, settings = self.source(), self._checked(tmp_path)
        cursor = source.look(home, settings, None).cursor
        (tmp_path / "work" / "README").write_text("words")
        self.change(tmp_path, 0)
        sighting = source.look(home, settings, cursor)
        assert sighting.key is None
        assert sighting.cursor["commit"] != cursor["commit"]
        assert sighting.cursor["hash"] == cursor["hash"] == f"md5:{0:032x}"

    def test_a_branch_or_repository_that_is_not_there_says_so(self, tmp_path: Path, home: Home) -> None:
        settings = self._checked(tmp_path)
        with pytest.raises(InvalidInput, match="has no branch 'gone'"):
            self.source().look(home, {**settings, "branch": "gone"}, None)
        with pytest.raises(Unavailable, match="git refuses"):
            self.source().look(home, {**settings, "repository": str(tmp_path / "nothing")}, None)

    def test_a_file_that_comes_later_is_a_change(self, tmp_path: Path, home: Home) -> None:
        settings = {**self._checked(tmp_path), "path": "notes.txt"}
        cursor = self.source().look(home, settings, None).cursor
        assert cursor["hash"] is None
        (tmp_path / "work" / "notes.txt").write_text("one")
        self.change(tmp_path, 1)
        assert self.source().look(home, settings, cursor).key is not None


@pytest.mark.parametrize(
    "address",
    [
        *("ext::sh -c 'touch /tmp/pwned'", "--upload-pack=touch /tmp/pwned", "-u", "fd::17", "ftp://example.org/x"),
        *(
            "",
            " ",
            "relative/path",
            "../x",
            "file://host/x",
            "ssh://-oProxyCommand=id/x",
            "ssh://git@-oProxyCommand=id/x",
            "https://e/\nx",
            "::x",
        ),
        *("-oProxyCommand=id:x", "user@-oProxyCommand=id:x", "javascript:alert(1) x", "transport::address"),
    ],
)
def test_what_git_would_take_for_a_program_or_an_option_is_no_address(address: str) -> None:
    with pytest.raises(InvalidInput):
        check_address(address, place="repository")


@pytest.mark.parametrize(
    "address",
    ["https://example.org/a/b.git", "git@example.org:a/b.git", "example.org:a", "/srv/git/a", "ssh://git@h:22/a"],
)
def test_an_address_is_one(address: str) -> None:
    assert check_address(address, place="repository") == address


@pytest.mark.parametrize("branch", ["", "-x", "a..b", "a b", "a~1", "a^", "a:b", "x.lock", "/a", "a/", "a\n", "@{1}"])
def test_what_is_no_branch_is_refused(branch: str) -> None:
    with pytest.raises(InvalidInput):
        check_branch(branch, place="branch")


def test_a_hook_of_the_environment_does_not_reach_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(tmp_path / "work"))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    with pytest.raises(TidemillError, match="no branch"):
        head_of(str(tmp_path / "work"), "main")


def git(folder: Path, *words: str) -> None:
    """Git without the caller's settings."""
    person = ["-c", "user.name=alan", "-c", "user.email=alan@example.org"]
    subprocess.run(["git", *person, *words], cwd=folder, check=True, capture_output=True)


def test_a_bare_repository_inside_of_another_ones_folder_is_meant_itself(tmp_path: Path) -> None:
    outer, bare = tmp_path / "outer", tmp_path / "outer" / "origin.git"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(outer))
    git(outer, "commit", "--quiet", "--allow-empty", "-m", "one")
    git(outer, "init", "--quiet", "--bare", str(bare))
    git(outer, "push", "--quiet", str(bare), "main")
    pushed = head_of(str(bare), "main")
    git(outer, "commit", "--quiet", "--allow-empty", "-m", "two")
    assert head_of(str(bare), "main") == pushed
    assert head_of(str(outer), "main") != pushed
