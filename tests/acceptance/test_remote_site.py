"""A person at another machine: the site does not see their files, and still a run names the version that it read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.command_line import CommandLine, until

from tidemill.base.home import Home
from tidemill.supervisor.control import ask

CELLS = (
    ("step:load", 'rows = open("data/rows.csv").read()\nnames = sorted(__import__("os").listdir("images"))'),
    ("step:count prev:load", "lines = len(rows.splitlines())\nprint(lines, names)"),
)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The site, in a home that the person does not share."""
    site = CommandLine(folder=tmp_path_factory.mktemp("there"), home=tmp_path_factory.mktemp("site"))
    site("up", "--detach", "--port", "0")
    yield site
    site("down")


@pytest.fixture
def here(tmp_path: Path, there: CommandLine) -> CommandLine:
    """The person: a home of their own, and a project in git."""
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "rows.csv").write_text("a,b\n1,2\n")
    (folder / "images" / "ü").mkdir(parents=True)
    (folder / "images" / "ü" / "one.png").write_bytes(b"\x89PNG")
    cells = [
        {"cell_type": "code", "metadata": {"tags": tags.split()}, "source": source, "outputs": []}
        for tags, source in CELLS
    ]
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    (folder / "reads.ipynb").write_text(json.dumps(document))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return CommandLine(folder=folder, home=tmp_path / "home")


def test_a_run_at_a_site_elsewhere_reads_the_data_of_here_and_names_its_version(
    there: CommandLine, here: CommandLine
) -> None:
    url = there.json("status")["url"]
    secret = there.json("token", "create", "--person", "maya", "--role", "contributor")["secret"]
    there_and_no_token = CommandLine(folder=here.folder, home=here.home, variables={"TIDEMILL_URL": url})
    assert f"tidemill login {url}" in there_and_no_token.said("run", "reads.ipynb", expect=4)
    here("login", url, "--token", secret)

    versions = {path: here.json("data", "add", path)["hash"] for path in ("data/rows.csv", "images")}
    first = here.json("run", "reads.ipynb")
    assert first["state"] == "SUCCEEDED"
    shown = here.json("runs", "show", first["run_id"])
    assert (shown["origin"]["data"], shown["author"]) == (versions, "maya")
    assert {each["path"]: each["hash"] for each in here.json("data", "list")} == versions
    assert here.json("run", "reads.ipynb")["tasks"][-1]["cached"] is True
    nothing_of_the_site_is_kept_here(here)

    (here.folder / "data" / "rows.csv").write_text("a,b\n3,4\n")
    assert "differs from its version" in here.said("run", "reads.ipynb", expect=5)


def nothing_of_the_site_is_kept_here(here: CommandLine) -> None:
    for name in ("blobs", "work"):
        assert list((here.home / name).iterdir()) == []


def test_the_site_of_this_home_keeps_dvc_warm_for_its_commands(
    there: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", there.environment["XDG_RUNTIME_DIR"])
    subprocess.run(["git", "init", "--quiet"], cwd=there.folder, check=True)
    (there.folder / "rows.csv").write_text("a,b\n1,2\n")

    def data_child() -> tuple[str, int | None, int]:
        processes = ask(Home(path=there.home), {"op": "status"})["processes"]
        each = next(each for each in processes if each["name"] == "data")
        return each["state"], each["pid"], each["restarts"]

    assert data_child() == ("IDLE", None, 0)
    told = there.json("data", "add", "rows.csv", "--remote", str(tmp_path / "remote"))
    assert (told["remote"], told["remote_kept"]) == (str(tmp_path / "remote"), False)
    state, pid, _ = data_child()
    assert state in {"STARTING", "RUNNING"}
    assert pid is not None
    assert "the remote stays" in there.said("data", "add", "rows.csv", "--remote", str(tmp_path / "another"))
    os.kill(pid, signal.SIGKILL)
    until(lambda: data_child()[2] == 1, "the end of the data child")
    assert there("data", "push") == "pushed 1 files\n"
    assert data_child()[1] not in {None, pid}
