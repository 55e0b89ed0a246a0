"""`tidemill plan` and `apply` as a person has them: a folder, a home, git, and a colleague with a clone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidemill.access import Role, authenticate, create_token, local_token
from tidemill.base.errors import Conflict, Forbidden, InvalidInput
from tidemill.cli.app import build
from tidemill.cli.output import WIDTH
from tidemill.platform import Platform

TEXT = """
[project]
name = "fuel"
notebook = "fuel.ipynb"
[data.cars]
path = "cars.csv"
[model]
name = "fuel"
output = "train.model"
sample = "features.X"
[gate]
approvals = 1
[gate.thresholds.mae]
max = 2.2
[service]
name = "fuel"
title = "How thirsty is this car, and how thirsty was the one before?"
"""

Tidemill = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder, and the current one."""
    made = tmp_path / "fuel"
    made.mkdir()
    (made / "tidemill.toml").write_text(TEXT)
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def tidemill(folder: Path, capsys: pytest.CaptureFixture[str]) -> Tidemill:
    """A command in the current folder: its exit status, and what it prints."""

    def call(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = build()(args=list(words), standalone_mode=False)
        told = capsys.readouterr().out
        assert all(len(line) <= WIDTH or "--json" in words for line in told.splitlines()), told
        return (status or 0), told

    return call


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "tidemill.toml"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def git(folder: Path, *words: str) -> str:
    person = ["-c", "user.name=Maya", "-c", "user.email=maya@example.org"]
    done = subprocess.run(["git", *person, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def applied_generation(tidemill: Tidemill) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tidemill("apply", "--json")[1])["generation"]
    return found


def test_a_plan_says_what_apply_would_do_until_there_is_nothing(tidemill: Tidemill, folder: Path) -> None:
    status, told = tidemill("plan")
    assert status == 0
    assert "project fuel, never applied" in told
    assert "service.title" in told
    assert tidemill("apply") == (0, "applied fuel, generation 1\n")
    status, told = tidemill("plan", "--check")
    assert status == 0
    assert "nothing to do: everything is as tidemill.toml says" in told
    edit(folder, "approvals = 1", "approvals = 2")
    edit(folder, '\ntitle = "How thirsty is this car, and how thirsty was the one before?"', "")
    status, told = tidemill("plan", "--check")
    assert status == 1
    assert "gate.approvals" in told
    assert "left out" in told
    plan = json.loads(tidemill("plan", "--json")[1])
    assert [(each["field"], each["old"], each["new"], each["given_up"]) for each in plan["changes"]] == [
        ("gate.approvals", 1, 2, False),
        ("service.title", "How thirsty is this car, and how thirsty was the one before?", "", True),
    ]
    assert tidemill("apply")[1].endswith("applied fuel, generation 2\n")
    assert [each["number"] for each in json.loads(tidemill("project", "history", "--json")[1])] == [2, 1]
    assert "gate.approvals" in tidemill("project", "show", "--generation", "1")[1]
    assert "fuel" in tidemill("project", "list")[1]


def test_a_field_of_the_service_that_somebody_set_is_shown_and_its_fate_told(tidemill: Tidemill) -> None:
    tidemill("apply")
    from tidemill.cli.connection import Connection

    Connection(Platform()).put("/services/fuel", {"model": "fuel", "timeout_seconds": 5})
    told = " ".join(tidemill("plan")[1].split())
    assert "changed on the site since FIELD APPLIED NOW BY APPLY" in told
    assert "service.timeout_seconds 30.0 5.0 stays" in told
    assert "service.title How thirsty is this car, an… taken back" in told
    tidemill("apply")
    service = json.loads(tidemill("service", "show", "fuel", "--json")[1])
    assert (service["spec"]["timeout_seconds"], service["spec"]["form"]["title"][:11]) == (5.0, "How thirsty")


def test_a_colleague_does_not_take_back_what_was_applied_since_her_clone(
    tidemill: Tidemill, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(folder, "init", "--quiet", "--initial-branch=main")
    first = commit(folder, "A first project")
    assert applied_generation(tidemill)["commit"] == first
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(folder), str(clone))
    edit(folder, "max = 2.2", "max = 2.0")
    assert applied_generation(tidemill)["commit"] is None, "the change is not committed yet"
    commit(folder, "Stricter")
    edit(folder, "approvals = 1", "approvals = 2")
    commit(folder, "Two of us")
    assert applied_generation(tidemill)["number"] == 3

    monkeypatch.chdir(clone)
    edit(clone, 'before?"\n', 'before?"\n[parameters]\nalpha = 0.5\n')
    status, told = tidemill("plan")
    assert status == 0
    assert "applied since generation 1, and not in this file" in told
    with pytest.raises(Conflict, match="and 1 more since generation 1"):
        tidemill("apply")
    git(clone, "stash", "--quiet")
    git(clone, "pull", "--quiet")
    git(clone, "stash", "pop", "--quiet")
    found = json.loads(tidemill("plan", "--json")[1])
    assert (found["base"], found["by_others"]) == (3, [])
    assert [each["field"] for each in found["changes"]] == ["parameters.alpha"]
    assert applied_generation(tidemill)["number"] == 4


def test_another_project_of_the_same_name_is_refused_until_forced(
    tidemill: Tidemill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidemill("apply")
    other = tmp_path / "other"
    other.mkdir()
    (other / "tidemill.toml").write_text(TEXT.replace("fuel.ipynb", "other.ipynb"))
    monkeypatch.chdir(other)
    with pytest.raises(Conflict, match="this file does not come from it") as caught:
        tidemill("apply")
    assert "choose another name" in (caught.value.remedy or "")
    assert "applied from another file, and not in this file" in tidemill("plan")[1]
    tidemill("apply", "--force")
    assert json.loads(tidemill("project", "show", "--json")[1])["document"]["project"]["notebook"] == "other.ipynb"


def test_bad_files_and_viewers_are_refused_before_anything_is_applied(
    tidemill: Tidemill, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Platform().site
    owner = authenticate(site, local_token(site))
    _, secret = create_token(site, owner, person="vera", roles=frozenset({Role.VIEWER}))
    with monkeypatch.context() as as_viewer:
        as_viewer.setenv("TIDEMILL_TOKEN", secret)
        assert tidemill("plan")[0] == 0
        with pytest.raises(Forbidden, match="vera may not write here"):
            tidemill("apply")
    edit(folder, "approvals = 1", "aprovals = 1")
    for verb in ("plan", "apply"):
        with pytest.raises(InvalidInput) as caught:
            tidemill(verb)
        assert caught.value.place == f"{folder / 'tidemill.toml'}:12: gate.aprovals"
        assert caught.value.remedy == "did you mean 'approvals'?"
    (folder / "tidemill.toml").write_text("[project\n")
    with pytest.raises(InvalidInput, match="not TOML"):
        tidemill("plan")
    (folder / "tidemill.toml").write_text(TEXT)
    assert json.loads(tidemill("project", "list", "--json")[1]) == []
