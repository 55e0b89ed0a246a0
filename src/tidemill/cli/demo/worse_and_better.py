"""The third beat: the world changes, the error doubles, and the approved pipeline learns the new data by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidemill.base.errors import RunFailed
from tidemill.cli.demo.beat import Told
from tidemill.cli.demo.callers import Answer, callers_of, write_truth
from tidemill.cli.demo.cars import DATA, append_to_data, later_cars, questions_about
from tidemill.cli.demo.shell import Shell

QUESTIONS = 240
AFTERWARDS = 120
TRIGGER = "worse"


def new_years(shell: Shell, _port: int) -> Told:
    """Drift, late truth, an alert, a production run, the automatic gate, a canary by steps, and the error falls."""
    first, others = later_cars(shell.folder)
    callers = callers_of(shell)
    answers = callers.ask_all(questions_about(first, QUESTIONS))
    append_to_data(shell.folder, first)
    data = shell.json("data", "add", DATA)
    shell.tidemill("data", "push")
    shift = shell.until("drift of Weight_in_lbs", lambda: _alert(shell, "drift", "Weight_in_lbs"))
    _tell_truth(shell, answers)
    worse = shell.until("an alert on performance", lambda: _alert(shell, "performance"))
    firing = shell.until(f"a firing of {TRIGGER}", lambda: shell.ended_firing(TRIGGER))
    if firing["state"] != "passed":
        raise RunFailed(f"it is {firing['state']}: {firing['reason']}", place=f"firing of {TRIGGER}")
    already = len(callers.answers)
    with callers.asking(questions_about(others, QUESTIONS)):
        version = str(firing["model_version_id"])
        rollout = shell.until(f"all requests for {firing['model_version']}", lambda: shell.ended_rollout(version))
        enough = len(callers.answers) + AFTERWARDS
        shell.until("more requests", lambda: True if len(callers.answers) > enough else None)
    if rollout["state"] != "promoted":
        raise RunFailed(f"it is {rollout['state']}: {rollout['reason']}", place="rollout")
    _tell_truth(shell, callers.answers[already:])
    better = shell.until("an error after it", lambda: _error_of(shell, rollout["revision_id"]))
    shell.seen |= {"prediction": callers.answers[-1].id, "version": firing["model_version"]}
    value, at_approval = worse["value"], float(_window(shell, worse)["performance"]["baseline"])
    if not value > 2 * at_approval > 0 or better >= value:
        raise RunFailed(f"the error was {at_approval}, then {value}, then {better}", place="service monitor")
    return Told(
        happened=(
            f"later years: {len(answers)} questions; Weight_in_lbs drifted (PSI {shift['value']:.2f}); measured late: "
            f"mae {value:.2f}, was {at_approval:.2f}. The alert ran the approved pipeline on {DATA} "
            f"{data['hash'][4:16]}; {firing['model_version']} passed without a person and went "
            f"{' → '.join(str(step) for step in rollout['plan']['steps'])} %: mae {better:.2f}"
        ),
        look=f"tidemill service monitor fuel; tidemill trigger history {TRIGGER}; tidemill service traffic fuel",
        page=f"/runs/{firing['run_id']}",
    )


def _tell_truth(shell: Shell, answers: Iterable[Answer]) -> None:
    write_truth(shell.folder / "measured.truth.csv", answers)
    shell.tidemill("service", "truth", "fuel", "measured.truth.csv", "--column", "mpg")


def _alert(shell: Shell, kind: str, feature: str = "") -> dict[str, Any] | None:
    for each in shell.get("/alerts", service="fuel", state="raised")["items"]:
        if each["kind"] == kind and each["feature"] == feature:
            return dict(each)
    return None


def _window(shell: Shell, alert: dict[str, Any]) -> dict[str, Any]:
    windows = shell.get("/services/fuel/monitoring")["windows"]
    return next(dict(each) for each in windows if each["id"] == alert["window_id"])


def _error_of(shell: Shell, revision_id: str) -> float | None:
    """The error of a revision in its newest whole window."""
    for each in shell.get("/services/fuel/monitoring")["windows"]:
        if each["revision_id"] == revision_id and each["state"] == "closed" and "performance" in each["judged"]:
            return float(each["performance"]["metrics"][each["performance"]["metric"]])
    return None
