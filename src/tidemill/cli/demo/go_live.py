"""The first two beats: a notebook becomes a service, and nobody approves what is their own."""

from __future__ import annotations

import json

import httpx

from tidemill.base.errors import RunFailed
from tidemill.cli.demo.beat import Told
from tidemill.cli.demo.cars import DATA, LATER
from tidemill.cli.demo.shell import Shell

APPROVER = "ada"
CAR = {"Weight_in_lbs": 2807.0, "Year": 1976}
KILOGRAMS = 1273
LITRES_TIMES_MPG = 235.214583
FORBIDDEN_STATUS = 4


def notebook_to_review(shell: Shell, port: int) -> Told:
    """Data becomes a version, the notebook a pipeline, the best of a tuning a candidate whose checks pass."""
    shell.tidemill("up", "--detach", "--port", str(port))
    shell.git("init", "--quiet", "--initial-branch=main")  # its own: the folder may lie in somebody's repository
    version = shell.json("data", "add", DATA)
    (shell.folder / ".gitignore").open("a").write(f"/.home\n/.tidemill-demo\n/{LATER}\n/evidence\n/*.truth.csv\n")
    shell.git("add", ".gitignore", "pipeline.ipynb", "tidemill.toml")
    shell.git("commit", "--quiet", "-m", "The notebook")
    shell.tidemill("data", "push")
    run = shell.json("run")
    tuning = shell.json("tune")
    best = tuning["best"]
    opened = shell.json("review", "open")
    if opened["checks_state"] != "passed":
        raise RunFailed(f"the checks {opened['checks_state']}", place=f"review {opened['id']}")
    shell.seen |= {"review": opened["id"], "author": opened["opened_by"], "best": json.dumps(best["parameters"])}
    chosen = ", ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in best["parameters"].items())
    checks = ", ".join(check["name"] for check in opened["checks"])
    metric = tuning["objective"].rpartition(".")[2]
    return Told(
        happened=(
            f"notebook: {DATA} is version {version['hash'][4:16]}; pipeline.ipynb ran as {len(run['tasks'])} tasks; "
            f"best of {len(tuning['trials'])} trials: {metric} {best['value']:.3g} with {chosen}; {checks} passed"
        ),
        look=f"tidemill runs show {tuning['candidate_run_id'][-12:]}; tidemill review show {opened['id'][-12:]}",
        page=f"/runs/{tuning['candidate_run_id']}",
    )


def approved_by_another(shell: Shell, _port: int) -> Told:
    """The author's approval is refused, the approver's is taken, and the service answers."""
    review = shell.seen["review"]
    own = shell.tidemill("token", "create", "--person", shell.seen["author"], "--role", "approver").strip()
    refusal = shell.tidemill("review", "approve", review, token=own, expect=FORBIDDEN_STATUS)
    shell.seen["approver"] = shell.tidemill("token", "create", "--person", APPROVER, "--role", "approver").strip()
    decided = shell.json("review", "approve", review, token=shell.seen["approver"])
    if decided["state"] != "approved":
        raise RunFailed(f"the review is {decided['state']}", place=f"review {review}")
    shell.tidemill("review", "evidence", review, "--output", "evidence")
    shell.tidemill("deploy")
    miles = _answer(shell)
    said = refusal.splitlines()[0].removeprefix("error: ")
    return Told(
        happened=(
            f"approval: the author was refused ({said}); {APPROVER} approved {decided['model_version']}. "
            f"It answers: {KILOGRAMS} kg of {CAR['Year']} → {miles:.1f} mpg, {LITRES_TIMES_MPG / miles:.1f} l/100 km; "
            "without a token: 401"
        ),
        look=f"tidemill review show {review[-12:]}; open evidence/review.html; tidemill service page fuel",
        page=f"/reviews/{review}",
    )


def _answer(shell: Shell) -> float:
    """The prediction for a car, alike by the V1 protocol and the command line; nobody gets it without a token."""
    base = f"{shell.url()}/serving/default/fuel"
    token = shell.tidemill("service", "token", "fuel").strip()
    body = {"instances": [CAR]}
    with_token = httpx.post(f"{base}/v1/models/fuel:predict", json=body, headers={"Authorization": f"Bearer {token}"})
    without = httpx.post(f"{base}/v1/models/fuel:predict", json=body)
    if (with_token.status_code, without.status_code) != (httpx.codes.OK, httpx.codes.UNAUTHORIZED):
        raise RunFailed(f"{with_token.text}; without a token {without.status_code}", place=base)
    told = shell.json("predict", "fuel", *[f"{name}={value}" for name, value in CAR.items()])
    miles = float(told["predictions"][0])
    if with_token.json()["predictions"] != [miles]:
        raise RunFailed("HTTP and the command line do not agree", place=base)
    return miles
