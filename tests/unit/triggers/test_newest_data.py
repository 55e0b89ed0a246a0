"""Which data a production run reads: the newest recorded version, or what a followed branch has."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.unit.triggers.conftest import Mill

from tidemill.artifacts import artifact, read_bytes
from tidemill.base.errors import Conflict, InvalidInput, NotFound, TidemillError
from tidemill.data import DataState, OwnSite, Transfer, bind_file
from tidemill.engine.importing import STORED
from tidemill.pipelines import Pipeline, load_pipeline
from tidemill.triggers import Action
from tidemill.triggers.newest_data import DataWanted, newest_data

PATH = "data/cars.csv"


@dataclass
class Remote:
    """A DVC whose remote is a dictionary; it knows files, not folders."""

    contents: dict[str, bytes] = field(default_factory=dict)
    pulled: list[str] = field(default_factory=list)

    def pull(self, root: Path, dvc_files: Sequence[Path], *, force: bool) -> Transfer:
        for each in dvc_files:
            md5 = each.read_text().split("md5: ")[1][:32]
            if md5 not in self.contents:
                raise NotFound("is in no remote", place=str(root / each), remedy="tidemill data push")
            each.with_suffix("").write_bytes(self.contents[md5])
            self.pulled.append(md5)
        return Transfer(file_count=len(dvc_files))

    def states(self, root: Path, dvc_files: Sequence[Path]) -> dict[Path, DataState]:
        return dict.fromkeys(dvc_files, DataState.CURRENT)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"DVC was asked for {name}")


@dataclass
class Farm:
    """A repository with the project in a folder of it, its remote, and the site."""

    mill: Mill
    root: Path
    remote: Remote
    pipeline: Pipeline

    @property
    def folder(self) -> Path:
        return self.root / "models"

    def git(self, *words: str) -> str:
        person = ["-c", "user.name=alan", "-c", "user.email=alan@example.org"]
        done = subprocess.run(["git", *person, *words], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def version(self, rows: bytes, *, pushed: bool = True) -> str:
        """Write and commit a version; its md5."""
        md5 = hashlib.md5(rows, usedforsecurity=False).hexdigest()
        (self.folder / PATH).write_bytes(rows)
        text = f"outs:\n- md5: {md5}\n  size: {len(rows)}\n  hash: md5\n  path: cars.csv\n"
        (self.folder / f"{PATH}.dvc").write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", f"--message={md5}")
        if pushed:
            self.remote.contents[md5] = rows
        return md5

    def bound(self) -> str:
        """What a run by hand in the folder reads."""
        own = OwnSite(self.mill.site, self.mill.people.author)
        return STORED + bind_file(own, self.remote, self.folder, PATH)[0]

    def recorded(self) -> None:
        """Record the version in the folder without its bytes, as `tidemill data add` does."""
        from tidemill.data import current_version

        current_version(OwnSite(self.mill.site, self.mill.people.author), self.remote, self.folder, Path(PATH))

    def newest(self, before: str, **action: Any) -> tuple[str, dict[str, Any], bytes]:
        """The URI that a production run gets, the facts of its artifact, and its bytes."""
        given = {"project": "fuel", "environment": "production", "folder": str(self.folder), **action}
        wanted = DataWanted(pipeline=self.pipeline, action=Action(**given), reference={"data": before})
        found = newest_data(self.mill.site, self.mill.people.author, self.remote, wanted)["data"]
        made = artifact(self.mill.site, self.mill.people.viewer, found.removeprefix(STORED))
        assert made.content is not None
        return found, made.metadata, read_bytes(self.mill.site, made.content)


def importing() -> Pipeline:
    """A pipeline that imports the file."""
    importer = {"artifactUri": {"runtimeParameter": "uri"}, "typeSchema": {"schemaTitle": "system.Dataset"}}
    component = {
        "executorLabel": "exec",
        "inputDefinitions": {"parameters": {"uri": {"parameterType": "STRING"}}},
        "outputDefinitions": {"artifacts": {"artifact": {"artifactType": {"schemaTitle": "system.Dataset"}}}},
    }
    task = {
        "taskInfo": {"name": PATH},
        "componentRef": {"name": "comp"},
        "inputs": {"parameters": {"uri": {"componentInputParameter": "data"}}},
    }
    spec = {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "reads"},
        "components": {"comp": component},
        "deploymentSpec": {"executors": {"exec": {"importer": importer}}},
        "root": {
            "inputDefinitions": {"parameters": {"data": {"parameterType": "STRING"}}},
            "dag": {"tasks": {"import-cars": task}},
        },
    }
    return load_pipeline(json.dumps(spec), place="spec")


@pytest.fixture
def farm(mill: Mill, tmp_path: Path) -> Farm:
    """A farm with one version."""
    made = Farm(mill=mill, root=tmp_path / "repository", remote=Remote(), pipeline=importing())
    (made.folder / "data").mkdir(parents=True)
    made.git("init", "--quiet", "--initial-branch=main")
    (made.root / ".gitignore").write_text("*.csv\n")
    (made.folder / "tidemill.toml").write_text('[project]\nname = "fuel"\n')
    (made.root / "tidemill.toml").write_text('[project]\nname = "another"\n')
    made.version(b"a\n1\n")
    return made


def test_the_version_of_the_run_before_stays_while_there_is_no_newer_one(farm: Farm) -> None:
    before = farm.bound()
    assert farm.newest(before)[0] == before
    assert farm.remote.pulled == []


def test_a_newer_version_whose_bytes_are_here_is_taken_from_here(farm: Farm) -> None:
    before = farm.bound()
    md5 = farm.version(b"a\n1\n2\n")
    after = farm.bound()
    found, facts, content = farm.newest(before)
    assert (found, facts["data_version"], content) == (after, f"md5:{md5}", b"a\n1\n2\n")
    assert farm.remote.pulled == []


def test_a_newer_version_that_was_only_recorded_comes_from_the_remote_of_its_commit(farm: Farm) -> None:
    before = farm.bound()
    md5 = farm.version(b"a\n1\n2\n")
    farm.recorded()
    commit = farm.git("rev-parse", "HEAD")
    farm.version(b"never recorded\n")
    _, facts, content = farm.newest(before)
    assert (facts["data_version"], facts["git_commit"], content) == (f"md5:{md5}", commit, b"a\n1\n2\n")
    assert farm.remote.pulled == [md5]
    assert list(farm.mill.site.home.work.iterdir()) == []


def test_what_was_not_pushed_is_said_with_the_path_and_the_remedy(farm: Farm) -> None:
    before = farm.bound()
    farm.version(b"a\n1\n2\n", pushed=False)
    farm.recorded()
    with pytest.raises(NotFound) as caught:
        farm.newest(before)
    assert (caught.value.place, caught.value.remedy) == (f"models/{PATH}.dvc", "tidemill data push")
    with pytest.raises(NotFound, match="has not its content"):
        farm.newest(before, folder="")


def test_with_a_repository_the_branch_says_which_data_whatever_was_recorded(farm: Farm) -> None:
    before = farm.bound()
    farm.git("checkout", "--quiet", "-b", "data")
    md5 = farm.version(b"a\n1\n2\n")
    farm.git("checkout", "--quiet", "main")
    farm.version(b"experiment\n")
    farm.recorded()
    found, facts, content = farm.newest(before, repository=str(farm.root), branch="data")
    assert (facts["data_version"], facts["path"], content) == (f"md5:{md5}", PATH, b"a\n1\n2\n")
    assert facts["repository"] == "git:" + farm.git("rev-list", "--max-parents=0", "HEAD")
    assert farm.newest(before, repository=str(farm.folder), branch="data")[0] == found


def test_a_file_without_a_version_stays_or_is_read_from_the_branch(farm: Farm) -> None:
    (farm.folder / f"{PATH}.dvc").unlink()
    before = farm.bound()
    assert farm.newest(before)[0] == before
    (farm.root / ".gitignore").unlink()
    farm.git("add", "--all")
    farm.git("commit", "--quiet", "--message=plain")
    _, facts, content = farm.newest(before, repository=str(farm.root), branch="main")
    assert ("data_version" in facts, content) == (False, b"a\n1\n")


def test_the_last_that_came_under_the_path_is_taken_when_the_run_before_is_not_known(farm: Farm) -> None:
    with pytest.raises(NotFound, match="never had this data"):
        farm.newest("")
    before = farm.bound()
    assert farm.newest("tidemill://artifacts/gone")[0] == before


def test_a_link_in_a_repository_leads_nowhere(farm: Farm, tmp_path: Path) -> None:
    before = farm.bound()
    (tmp_path / "secret").write_text("secret")
    (farm.folder / f"{PATH}.dvc").unlink()
    (farm.folder / PATH).unlink()
    (farm.folder / PATH).symlink_to(tmp_path / "secret")
    farm.git("add", "--all", "--force")
    farm.git("commit", "--quiet", "--message=link")
    _, _, content = farm.newest(before, repository=str(farm.root), branch="main")
    assert content == str(tmp_path / "secret").encode(), "the link itself, as a plain file"


def test_a_branch_without_the_project_or_with_two_of_it_is_refused(farm: Farm) -> None:
    before = farm.bound()
    for project, words in (("trees", "no tidemill.toml names"), ("fuel", "2 files tidemill.toml name")):
        (farm.root / "copy").mkdir(exist_ok=True)
        (farm.root / "copy" / "tidemill.toml").write_text('[project]\nname = "fuel"\n')
        farm.git("add", "--all")
        farm.git("commit", "--quiet", "--allow-empty", "--message=copy")
        with pytest.raises(InvalidInput, match=words):
            farm.newest(before, project=project, repository=str(farm.root), branch="main")
    with pytest.raises(TidemillError):
        farm.newest(before, repository=str(farm.root), branch="gone")


def test_a_commit_that_went_away_is_said(farm: Farm, tmp_path: Path) -> None:
    before = farm.bound()
    farm.version(b"a\n1\n2\n")
    farm.recorded()
    farm.git("reset", "--quiet", "--hard", "HEAD~1")
    other = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "--quiet", "--no-local", str(farm.root), str(other)], check=True, capture_output=True
    )
    with pytest.raises(Conflict, match="has no commit"):
        farm.newest(before, folder=str(other / "models"))
