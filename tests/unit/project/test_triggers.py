"""The section `[triggers]` of a project file: what is refused with its line, and what an apply makes of it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tidemill.access import local_token
from tidemill.base.errors import InvalidInput
from tidemill.platform import Platform
from tidemill.project import load_project
from tidemill.project.check import check_triggers, local_place
from tidemill.project.requests import triggers_of
from tidemill.server.app import create_app

HEAD = """
[project]
name = "fuel"
notebook = "fuel.ipynb"

[model]
name = "fuel"
output = "train.model"
sample = "features.X"

[service]
name = "fuel"

[environments.staging.gate]
approvals = 2
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "tidemill.toml"
    file.write_text(HEAD + text)
    return file


def test_a_trigger_carries_what_its_firing_does(tmp_path: Path) -> None:
    text = '[triggers.nightly]\non = "data"\nrepository = "."\nbranch = "data"\npath = "cars.csv.dvc"\n'
    project = load_project(written(tmp_path, text + 'environment = "staging"\n'))
    (spec,) = triggers_of(project, file=local_place(project.path))
    action = spec.action
    assert (action.project, action.environment, action.service) == ("fuel", "staging", "fuel")
    assert (action.repository, action.branch, action.folder) == (str(tmp_path), "data", str(tmp_path))
    assert action.policy == {"approvals": 2}
    assert action.model is not None
    assert action.model.output == "train.model"
    assert spec.settings["path"] == "cars.csv.dvc"
    check_triggers(project, file=local_place(project.path))


def test_a_watched_path_is_seen_from_the_files_folder_on_this_machine_only(tmp_path: Path) -> None:
    project = load_project(written(tmp_path, '[triggers.files]\non = "data"\npath = "in/*.csv"\n'))
    (spec,) = triggers_of(project, file=local_place(project.path))
    assert spec.settings["path"] == f"{tmp_path}/in/*.csv"
    for file in ("", "elsewhere:/x/tidemill.toml", socket.gethostname() + ":relative"):
        with pytest.raises(InvalidInput, match="not on the site's machine"):
            triggers_of(project, file=file)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[triggers.a]\ncron = "0 0 * * *"\n', 16, "needs the key 'on'"),
        ('[triggers.a]\non = "cron"\n', 16, "needs the key 'cron'"),
        ('[triggers.a]\non = "cron"\ncron = "99 * * * *"\n', 18, "is no cron line"),
        ('[triggers.a]\non = "cron"\ncron = "0 0 * * *"\nzone = "Mars"\n', 19, "no time zone"),
        ('[triggers.a]\non = "cron"\ncrom = "0 0 * * *"\n', 18, "no such key"),
        ('[triggers.a]\non = "person"\npath = "x"\n', 18, "means nothing for the kind person"),
        ('[triggers.a]\non = "sunrise"\n', 17, "is no kind of trigger"),
        ('[triggers.a]\non = "person"\nconcurrency = "maybe"\n', 18, "is not allowed"),
        ('[triggers.a]\non = "person"\ncooldown_seconds = -1\n', 18, "should be 0 or more"),
        ('[triggers."a b"]\non = "person"\n', 16, "is no name here"),
        ('[triggers."<script>"]\non = "person"\n', 16, "is no name here"),
        (f'[triggers.{"a" * 64}]\non = "person"\n', 16, "is no name here"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(InvalidInput) as caught:
        project = load_project(file)
        check_triggers(project, file=local_place(project.path))
    assert words in caught.value.message
    assert (caught.value.place or "").startswith(f"{file}:{line}:")


def test_an_apply_makes_changes_and_takes_out_triggers_and_a_plan_says_so(platform: Platform) -> None:
    headers = {"Authorization": f"Bearer {local_token(platform.site)}"}
    client = TestClient(create_app(platform), base_url="http://localhost", headers=headers)
    document = {
        "project": {"name": "fuel", "notebook": "fuel.ipynb"},
        "triggers": {"nightly": {"on": "cron", "cron": "0 2 * * *", "then": "nothing"}},
    }
    made = client.put("/api/v1/projects/fuel", json={"document": document})
    assert made.status_code == 200
    client.post("/api/v1/triggers/nightly/pause")
    document["triggers"] = {"nightly": {"on": "cron", "cron": "0 3 * * *", "then": "nothing"}}
    planned = client.post("/api/v1/projects/fuel/plan", json={"document": document, "base": 1}).json()
    changes = [(each["field"], each["old"], each["new"]) for each in planned["changes"]]
    assert changes == [("triggers.nightly.cron", "0 2 * * *", "0 3 * * *")]
    assert client.put("/api/v1/projects/fuel", json={"document": document, "base": 1}).status_code == 200
    shown = client.get("/api/v1/triggers/nightly").json()
    assert (shown["settings"]["cron"], shown["paused_at"] is None) == ("0 3 * * *", False)
    document["triggers"] = {}
    planned = client.post("/api/v1/projects/fuel/plan", json={"document": document, "base": 2}).json()
    assert [each["given_up"] for each in planned["changes"]] == [True, True, True]
    client.put("/api/v1/projects/fuel", json={"document": document, "base": 2})
    assert client.get("/api/v1/triggers").json()["items"] == []
    document["triggers"] = {"nightly": {"on": "cron", "cron": "never", "then": "nothing"}}
    refused = client.post("/api/v1/projects/fuel/plan", json={"document": document, "base": 3})
    assert (refused.status_code, refused.json()["place"]) == (400, "triggers.nightly.cron")
