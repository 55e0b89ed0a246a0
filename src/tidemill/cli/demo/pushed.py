"""The seventh beat: people approve code, somebody pushes data, and each starts a production run by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tidemill.base.errors import RunFailed
from tidemill.cli.demo.beat import Told
from tidemill.cli.demo.callers import Callers, callers_of
from tidemill.cli.demo.cars import DATA, append_to_data, later_cars, questions_about
from tidemill.cli.demo.notebook import Notebook
from tidemill.cli.demo.shell import Shell

QUESTIONS = 240
ORIGIN = "origin.git"
TRIGGERS = """

# Code that people approved, and data that somebody pushed, start a production run.
[triggers.new-code]
on = "pipeline-approved"

[triggers.new-data]
on = "data"
repository = "{origin}"
branch = "main"
path = "{data}.dvc"
poll_seconds = 1
"""
WEIGHTED = (
    "model.fit(X_train, y_train)",
    'model.fit(X_train, y_train, ridge__sample_weight=1 + (X_train["Year"] > 1976))',
)


def code_and_data(shell: Shell, _port: int) -> Told:
    """A pipeline version is approved and a data version pushed; both end in a version that is live."""
    _declare(shell)
    callers = callers_of(shell)
    _, others = later_cars(shell.folder)
    with callers.asking(questions_about(others, QUESTIONS)):
        review = _approve_code(shell)
        by_code = _live(shell, "new-code", callers)
        pushed = _push_data(shell)
        by_data = _live(shell, "new-data", callers)
    if by_data["cause"]["hash"] != pushed["hash"]:
        raise RunFailed(f"it read {by_data['cause']['hash']}", place="trigger new-data")
    return Told(
        happened=(
            f"code and data: the approved pipeline version {review['pipeline']['spec_digest'][7:19]} fired new-code: "
            f"{by_code['model_version']} is live; git push of {DATA} {pushed['hash'][4:16]} fired new-data: "
            f"{by_data['model_version']} is live. Nobody started a run"
        ),
        look="tidemill trigger list; tidemill trigger history new-data",
        page="/triggers",
    )


def _declare(shell: Shell) -> None:
    shell.git("init", "--quiet", "--bare", ORIGIN)
    shell.git("remote", "add", "origin", ORIGIN)
    (shell.folder / ".gitignore").open("a").write(f"/{ORIGIN}\n")
    toml = shell.folder / "tidemill.toml"
    toml.open("a", encoding="utf-8").write(TRIGGERS.format(origin=shell.folder / ORIGIN, data=DATA))
    shell.git("commit", "--quiet", "-am", "Triggers on code and data")
    shell.git("push", "--quiet", "origin", "main")
    shell.tidemill("apply")
    shell.until("a first look at the branch", lambda: shell.get("/triggers/new-data")["looked_at"])


def _approve_code(shell: Shell) -> dict[str, Any]:
    Notebook(shell.folder / "pipeline.ipynb").replace("step:train", *WEIGHTED)
    shell.git("commit", "--quiet", "-am", "Later cars count double")
    best = json.loads(shell.seen["best"])
    run = shell.json("run", *(word for name, value in best.items() for word in ("-p", f"{name}={value}")))
    review: dict[str, Any] = shell.json("review", "open", "--pipeline", run["run_id"])
    shell.tidemill("review", "approve", review["id"], token=shell.seen["approver"])
    return review


def _push_data(shell: Shell) -> dict[str, Any]:
    _, others = later_cars(shell.folder)
    append_to_data(shell.folder, others)
    version: dict[str, Any] = shell.json("data", "add", DATA)
    shell.tidemill("data", "push")
    shell.git("push", "--quiet", "origin", "main")
    return version


def _live(shell: Shell, trigger: str, callers: Callers) -> Mapping[str, Any]:
    """The firing of a trigger whose version passed and answers all requests."""
    firing = shell.until(f"a firing of {trigger}", lambda: shell.ended_firing(trigger))
    if firing["state"] != "passed":
        raise RunFailed(f"it is {firing['state']}: {firing['reason']}", place=f"firing of {trigger}")
    rollout = shell.until(
        f"all requests for {firing['model_version']}", lambda: shell.ended_rollout(str(firing["model_version_id"]))
    )
    failed = sum(answer.status != 200 for answer in callers.answers)
    if rollout["state"] != "promoted" or failed:
        raise RunFailed(f"it is {rollout['state']}; {failed} requests failed", place=f"rollout after {trigger}")
    return firing
