"""The eight stations of the story; each gives one line on what happened, and how to look closer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from tidemill.base.errors import RunFailed
from tidemill.cli.demo.shell import Shell

Station = Callable[[Shell, int], tuple[str, str]]
APPROVER = "ada"
CAR = {"Weight_in_lbs": 2807.0, "Year": 1976}
KILOGRAMS = 1273
LITRES_TIMES_MPG = 235.214583
SECONDS_BETWEEN_REQUESTS = 0.02
LIVE_SECONDS = 60.0


def data(shell: Shell, _port: int) -> tuple[str, str]:
    """The data becomes a DVC version in git."""
    shell.git("init", "--quiet")  # its own: the folder may lie in somebody's repository
    version = shell.json("data", "add", "cars.csv")
    (shell.folder / ".gitignore").open("a").write("/.home\n/.tidemill-demo\n/cars-later.csv\n/evidence\n")
    shell.git("add", ".gitignore", "pipeline.ipynb", "tidemill.toml")
    shell.git("commit", "--quiet", "-m", "The notebook")
    shell.tidemill("data", "push")
    return (
        f"data: cars.csv is version {version['hash'][4:16]}, commit {version['git_commit'][:8]}",
        "tidemill data list",
    )


def compiled(shell: Shell, _port: int) -> tuple[str, str]:
    """The notebook becomes a pipeline."""
    shell.tidemill("compile")
    levels = shell.json("check")["levels"]
    tasks = sum(len(level) for level in levels)
    return f"compile: pipeline.ipynb became pipeline.yaml, {tasks} tasks (KFP v2)", "less pipeline.yaml"


def run(shell: Shell, port: int) -> tuple[str, str]:
    """It runs; again from the cache; and after an edit of one cell only what depends on it."""
    shell.tidemill("up", "--detach", "--port", str(port))
    first = shell.json("run")
    second = shell.json("run")
    notebook = shell.folder / "pipeline.ipynb"
    before = notebook.read_text()
    notebook.write_text(_edited(before))
    third = shell.json("run")
    notebook.write_text(before)
    cached = sum(task["cached"] for task in second["tasks"])
    again = [task["name"] for task in third["tasks"] if not task["cached"] and not task["name"].startswith("import-")]
    if not cached or not 0 < len(again) < len(first["tasks"]):
        raise RunFailed(f"the cache gave {cached} tasks, and after an edit {again} ran", place="run")
    line = f"run: {len(first['tasks'])} tasks; again: {cached} from the cache; one cell edited: {', '.join(again)} ran"
    return line, f"tidemill runs show {first['run_id'][-12:]}"


def tune(shell: Shell, _port: int) -> tuple[str, str]:
    """Twenty trials find the best parameters."""
    tuning = shell.json("tune")
    best = tuning["best"]
    shell.seen["candidate"] = tuning["candidate_run_id"]
    chosen = ", ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in best["parameters"].items())
    metric = tuning["objective"].rpartition(".")[2]
    line = f"tune: best of {len(tuning['trials'])} trials: {metric} {best['value']:.4g} with {chosen}"
    return line, f"tidemill runs show {tuning['candidate_run_id'][-12:]}"


def review(shell: Shell, _port: int) -> tuple[str, str]:
    """The checks pass, the author's own approval is refused, the approver's is taken."""
    shell.tidemill("deploy")
    opened = shell.json("review", "open")
    if opened["checks_state"] != "passed":
        raise RunFailed(f"the checks {opened['checks_state']}", place=f"review {opened['id']}")
    own = shell.tidemill("token", "create", "--person", opened["opened_by"], "--role", "approver").strip()
    refusal = shell.tidemill("review", "approve", opened["id"], token=own, expect=4)
    shell.seen["approver"] = shell.tidemill("token", "create", "--person", APPROVER, "--role", "approver").strip()
    decided = shell.json("review", "approve", opened["id"], token=shell.seen["approver"])
    if decided["state"] != "approved":
        raise RunFailed(f"the review is {decided['state']}", place=f"review {opened['id']}")
    shell.tidemill("review", "evidence", opened["id"], "--output", "evidence")
    shell.seen["version"] = decided["model_version_id"]
    said = refusal.splitlines()[0].removeprefix("error: ")
    checks = ", ".join(check["name"] for check in opened["checks"])
    line = f"review: {checks} passed; the author was refused ({said}); {APPROVER} approved {decided['model_version']}"
    return line, f"tidemill review show {opened['id'][-12:]}; open evidence/review.html"


def serve(shell: Shell, _port: int) -> tuple[str, str]:
    """The service answers V1 and V2 with a token, the command line, and the page for people."""
    _until_live(shell, shell.seen["version"])
    url, headers = shell.url(), {"Authorization": f"Bearer {shell.tidemill('service', 'token', 'fuel').strip()}"}
    base = f"{url}/serving/default/fuel"
    first = httpx.post(f"{base}/v1/models/fuel:predict", json={"instances": [CAR]}, headers=headers)
    second = httpx.post(f"{base}/v2/models/fuel/infer", json=_tensors(base, headers), headers=headers)
    without = httpx.post(f"{base}/v1/models/fuel:predict", json={"instances": [CAR]})
    if (first.status_code, second.status_code, without.status_code) != (200, 200, 401):
        raise RunFailed(f"V1 {first.text}, V2 {second.text}, without a token {without.status_code}", place=base)
    told = shell.json("predict", "fuel", *[f"{name}={value}" for name, value in CAR.items()])
    page = httpx.get(shell.tidemill("service", "page", "fuel").strip(), follow_redirects=False)
    with httpx.Client(base_url=url, cookies=page.cookies) as browser:
        form = browser.get(page.headers["location"])
    if form.status_code != 200 or "l/100km" not in form.text or "kg" not in form.text:
        raise RunFailed(f"the page answered {form.status_code}", place="service page")
    shell.seen["prediction"] = told["prediction_id"]
    miles = told["predictions"][0]
    line = (
        f"serve: {KILOGRAMS} kg of {CAR['Year']} → {miles:.1f} mpg, {LITRES_TIMES_MPG / miles:.1f} l/100 km; "
        "V1, V2, command line and page agree; without a token: 401"
    )
    if not abs(first.json()["predictions"][0] - miles) < 1e-6 > abs(second.json()["outputs"][0]["data"][0] - miles):
        raise RunFailed("V1, V2 and the command line do not agree", place=base)
    return line, "tidemill service show fuel; tidemill service page fuel"


def swap(shell: Shell, _port: int) -> tuple[str, str]:
    """A second version goes live under load without a failed request; a rollback takes a moment."""
    shell.tidemill("run", "-p", "degree=2", "-p", "alpha=0.5")
    opened = shell.json("review", "open")
    headers = {"Authorization": f"Bearer {shell.tidemill('service', 'token', 'fuel').strip()}"}
    with _Load(f"{shell.url()}/serving/default/fuel/v1/models/fuel:predict", headers) as load:
        decided = shell.json("review", "approve", opened["id"], token=shell.seen["approver"])
        _until_live(shell, decided["model_version_id"])
        back = shell.json("service", "rollback", "fuel")
    if load.failures or not load.answered:
        raise RunFailed(f"{load.failures} of {load.answered + load.failures} requests failed", place="swap")
    line = (
        f"swap: {decided['model_version']} went live and {back['version']} came back in {back['seconds']:.2f} s; "
        f"{load.answered} requests meanwhile, none failed"
    )
    return line, "tidemill service show fuel; tidemill model diff fuel@1 fuel@2"


def lineage(shell: Shell, _port: int) -> tuple[str, str]:
    """A prediction is traced to data, code and approver."""
    found = shell.json("lineage", shell.seen["prediction"])
    version = found["model_version"]["label"]
    approvers = ", ".join(each["approver"] for each in found["review"]["approvals"])
    data_version = found["data_versions"]["cars.csv"]
    line = (
        f"lineage: {found['prediction']['id'][-12:]} → {version} → {approvers} → run {found['run']['id'][-12:]} → "
        f"cars.csv {data_version[4:16]} → commit {str(found['code_commit'])[:8]}"
    )
    if APPROVER not in approvers or not found["code_commit"]:
        raise RunFailed("the chain is not whole", place="lineage")
    return line, f"tidemill lineage {shell.seen['prediction']}"


ALL: tuple[Station, ...] = (data, compiled, run, tune, review, serve, swap, lineage)


class _Load:
    """Asks for a prediction again and again in the background, and counts."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._url, self._headers = url, headers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="load")
        self.answered = self.failures = 0

    def __enter__(self) -> _Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx.Client(headers=self._headers, timeout=10) as client:
            while not self._stop.wait(SECONDS_BETWEEN_REQUESTS):
                try:
                    ok = client.post(self._url, json={"instances": [CAR]}).status_code == 200
                except httpx.HTTPError:
                    ok = False
                self.answered += ok
                self.failures += not ok


def _until_live(shell: Shell, version_id: str) -> None:
    deadline = time.monotonic() + LIVE_SECONDS
    while True:
        service = shell.json("service", "show", "fuel")
        live = [each for each in service["revisions"] if each["state"] == "live"]
        if any(each["model_version_id"] == version_id for each in live):
            return
        if time.monotonic() > deadline:
            raise RunFailed(f"it is not live: {service['message']}", place="service fuel")
        time.sleep(0.1)


def _tensors(base: str, headers: dict[str, str]) -> dict[str, Any]:
    """The car as V2 tensors, in the datatypes that the service's metadata names."""
    told = httpx.get(f"{base}/v2/models/fuel", headers=headers).json()
    return {
        "inputs": [
            {"name": each["name"], "datatype": each["datatype"], "shape": [1, 1], "data": [CAR[each["name"]]]}
            for each in told["inputs"]
        ]
    }


def _edited(notebook: str) -> str:
    """The notebook with a comment in the last cell of the training step."""
    document = json.loads(notebook)
    for cell in document["cells"]:
        if "step:train" in cell.get("metadata", {}).get("tags", []):
            text = "".join(cell["source"])
            cell["source"] = text + "\n# looked at again"
    return json.dumps(document, indent=1)
