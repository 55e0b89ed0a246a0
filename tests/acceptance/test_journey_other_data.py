"""A classifier goes from its notebook to traced predictions: other data, other columns, the same commands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.closing_loop import the_loop_closes
from tests.acceptance.command_line import CommandLine, until
from tests.acceptance.gateway_client import Service, stream_of_requests
from tests.acceptance.projects.churn.subscribers import subscribers_csv

PROJECT = Path(__file__).parent / "projects" / "churn"
STEPS = {"load", "tidy", "segments", "split", "fit", "judge"}
LEAVING = {
    "plan": "basic",
    "region": "north",
    "paperless": True,
    "monthly fee": 44.0,
    "tenure_months": 2,
    "support_calls": 6,
}
STAYING = {
    "plan": "fibre",
    "region": "süd",
    "paperless": False,
    "monthly fee": 21.5,
    "tenure_months": 70,
    "support_calls": 0,
}


@pytest.fixture
def tidemill(tmp_path: Path) -> Iterator[CommandLine]:
    """A folder with the notebook, the toml and the data, in git; its site is down afterwards."""
    folder = tmp_path / "churn"
    folder.mkdir()
    for name in ("churn.ipynb", "tidemill.toml"):
        shutil.copy(PROJECT / name, folder)
    made = CommandLine(folder=folder, home=tmp_path / "home")
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit_all(folder, "A first model")
    (folder / "subscribers.csv").write_text(subscribers_csv(), encoding="utf-8")
    yield made
    made("down")


def test_a_classifier_goes_from_a_notebook_to_traced_predictions(tidemill: CommandLine) -> None:
    data = tidemill.json("data", "add", "subscribers.csv")
    tidemill("up", "--detach", "--port", "0")
    the_second_run_is_from_the_cache_and_an_edit_runs_what_depends_on_it(tidemill)
    commit = commit_all(tidemill.folder, "Regularise more")
    first = the_best_of_a_tuning_is_approved_by_somebody_else(tidemill)
    service = service_of(tidemill)
    both_protocols_answer_with_labels(tidemill, service)
    second = a_second_version_goes_live_without_a_failed_request(tidemill, service)
    a_rollback_brings_the_first_version_back(tidemill, service)
    prediction_id = service.v1([LEAVING])[1]
    lineage = tidemill.json("lineage", prediction_id)
    assert_names_everything(lineage, review=first, data=data, commit=commit)
    for review in (first, second):
        the_evidence_holds_offline(tidemill, review)
    the_code_of_the_first_version_is_approved_anew(tidemill, lineage["run"]["id"])
    the_loop_closes(tidemill, service)


def the_second_run_is_from_the_cache_and_an_edit_runs_what_depends_on_it(tidemill: CommandLine) -> None:
    assert ran(tidemill.json("run")) == STEPS
    assert ran(tidemill.json("run")) == set()
    edit_cell(tidemill.folder / "churn.ipynb", "max_iter=500", "max_iter=400")
    assert ran(tidemill.json("run")) == {"fit", "judge"}
    edit_cell(tidemill.folder / "churn.ipynb", ".sort_values()", ".sort_values(ascending=False)")
    assert ran(tidemill.json("run")) == {"segments"}


def the_best_of_a_tuning_is_approved_by_somebody_else(tidemill: CommandLine) -> dict[str, Any]:
    tuning = tidemill.json("tune", "--trials", "3")
    assert [trial["state"] for trial in tuning["trials"]] == ["succeeded"] * 3
    best = max(tuning["trials"], key=lambda trial: trial["value"])
    assert tuning["best"]["value"] == best["value"]
    tidemill("deploy")
    assert "AwaitingApproval" in tidemill("service", "show", "churn")
    review: dict[str, Any] = tidemill.json("review", "open")
    assert {check["name"]: check["state"] for check in review["checks"]} == {
        "challenger": "passed",
        "threshold": "passed",
        "hygiene": "passed",
        "leak": "passed",
        "smoke": "passed",
    }
    own = tidemill.json("token", "create", "--person", review["opened_by"], "--role", "approver")["secret"]
    assert "may not approve it" in tidemill.said("review", "approve", review["id"], token=own, expect=4)
    approve(tidemill, review)
    tidemill("deploy")
    return review


def both_protocols_answer_with_labels(tidemill: CommandLine, service: Service) -> None:
    predictions, _ = service.v1([LEAVING, STAYING])
    assert predictions == ["left", "stayed"]
    # a gap where the training rows had gaps, and a category that they did not have
    assert service.v1([{**STAYING, "monthly fee": None, "region": "moon"}])[0] == ["stayed"]
    reply = service.v2([STAYING, LEAVING])
    assert reply["model_version"] == "1"
    assert reply["outputs"] == [
        {"name": "predict", "datatype": "BYTES", "shape": [2], "data": ["stayed", "left"]},
    ]
    signature = {each["name"]: each["datatype"] for each in service.metadata()["inputs"]}
    assert signature == {
        "plan": "BYTES",
        "region": "BYTES",
        "paperless": "BOOL",
        "monthly fee": "FP64",
        "tenure_months": "INT64",
        "support_calls": "INT64",
    }
    words = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in LEAVING.items()]
    assert tidemill("predict", "churn", *words).strip() == "left"
    with service.client() as client:
        for headers in ({"authorization": ""}, {"authorization": "Bearer no.such.token"}):
            reply_to_a_stranger = client.post("/v1/models/churn:predict", json={"instances": []}, headers=headers)
            assert reply_to_a_stranger.status_code == 401


def a_second_version_goes_live_without_a_failed_request(tidemill: CommandLine, service: Service) -> dict[str, Any]:
    run = tidemill.json("run", "-p", "inverse_penalty=0.4", "-p", "weighting=balanced")
    review: dict[str, Any] = tidemill.json("review", "open", run["run_id"])
    with stream_of_requests(service, LEAVING) as seen:
        until(lambda: bool(seen.versions), "a first answer")
        approve(tidemill, review)
        until(lambda: "2" in seen.versions, "an answer of the second version")
        until(lambda: set(seen.versions[-50:]) == {"2"}, "all answers by the second version")
        answered = len(seen.versions)
        until(lambda: len(seen.versions) > answered + 50, "more answers")
    assert seen.failures == []
    assert set(seen.versions) == {"1", "2"}
    assert set(seen.versions[answered:]) == {"2"}, "the threads of the gateway did not agree in the end"
    return review


def a_rollback_brings_the_first_version_back(tidemill: CommandLine, service: Service) -> None:
    with stream_of_requests(service, LEAVING) as seen:
        until(lambda: bool(seen.versions), "a first answer")
        back = tidemill.json("service", "rollback", "churn")
        until(lambda: seen.versions[-1] == "1", "an answer of the first version")
    assert back["version"] == "churn@1"
    assert seen.failures == []


def assert_names_everything(
    lineage: Mapping[str, Any], *, review: Mapping[str, Any], data: Mapping[str, Any], commit: str
) -> None:
    assert lineage["prediction"]["outputs"] == [["left"]]
    assert lineage["prediction"]["inputs"] == [LEAVING]
    assert lineage["model_version"]["label"] == "churn@1"
    assert lineage["review"]["id"] == review["id"]
    assert [each["approver"] for each in lineage["review"]["approvals"]] == ["ada"]
    assert lineage["data_versions"] == {"subscribers.csv": data["hash"]}
    assert lineage["code_commit"] == commit
    assert lineage["run"]["source"] == "churn.ipynb"
    assert lineage["run"]["parameters"]["weighting"] in {"none", "balanced"}
    assert lineage["metrics"]["accuracy"] > 0.7
    assert lineage["metrics"]["test_auc"] > 0.75


def the_evidence_holds_offline(tidemill: CommandLine, review: Mapping[str, Any]) -> None:
    """Every command of VERIFY.txt, as a person would paste it, in the folder of the pack."""
    pack = tidemill.folder / f"evidence-{review['id']}"
    tidemill("review", "evidence", review["id"], "-o", str(pack))
    text = (pack / "VERIFY.txt").read_text()
    commands = [line.strip() for line in text.splitlines() if re.match(r" {3}(openssl|tail|sha256sum)", line)]
    told = {command: shell(pack, command) for command in commands}
    signatures = [command for command in told if command.startswith("openssl dgst")]
    assert len(signatures) >= 3
    assert all(told[command].strip() == "Verified OK" for command in signatures)
    key = next(told[command] for command in told if command.startswith("openssl pkey"))
    assert key.split()[0] in text
    assert next(told[command] for command in told if command.startswith("tail")) == ""
    document = json.loads((pack / "review.json").read_bytes())
    page = next(told[command] for command in told if command.startswith("sha256sum"))
    assert document["files"]["review.html"] == f"sha256:{page.split()[0]}"
    assert [each["approver"] for each in document["approvals"]] == ["ada"]
    (pack / "decision.pae").write_bytes((pack / "decision.pae").read_bytes().replace(b"ada", b"eve"))
    shell(pack, next(command for command in signatures if "decision" in command), expect=1)


def approve(tidemill: CommandLine, review: Mapping[str, Any]) -> None:
    token = tidemill.json("token", "create", "--person", "ada", "--role", "approver")["secret"]
    assert tidemill.json("review", "approve", review["id"], token=token)["state"] == "approved"


def the_code_of_the_first_version_is_approved_anew(tidemill: CommandLine, run_id: str) -> None:
    """What was approved last was taken back, and comes no more by itself."""
    approve(tidemill, tidemill.json("review", "open", "--pipeline", run_id))


def service_of(tidemill: CommandLine) -> Service:
    url = tidemill.json("status")["url"]
    return Service(url=url, name="churn", token=tidemill("service", "token", "churn").strip())


def ran(outcome: Mapping[str, Any]) -> set[str]:
    """The steps of a run that were not taken from the cache; an import is looked at each time."""
    assert outcome["state"] == "SUCCEEDED"
    tasks = [task for task in outcome["tasks"] if not task["name"].startswith("import-")]
    assert {task["name"] for task in tasks} == STEPS
    return {task["name"] for task in tasks if not task["cached"]}


def edit_cell(notebook: Path, old: str, new: str) -> None:
    text = notebook.read_text(encoding="utf-8")
    assert text.count(old) == 1
    notebook.write_text(text.replace(old, new), encoding="utf-8")


def commit_all(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD").strip()


def git(folder: Path, *words: str) -> str:
    person = ["-c", "user.name=Dana Scientist", "-c", "user.email=dana@example.org"]
    done = subprocess.run(["git", *person, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def shell(folder: Path, command: str, *, expect: int = 0) -> str:
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == expect, f"{command}: {done.stderr}"
    return done.stdout
