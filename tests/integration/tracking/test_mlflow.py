"""MLflow's released client at a live site: it starts MLflow by asking, and sees what it may."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import insert
from tests.browser import conftest as browsers
from tests.conftest import people_of
from tests.unit.gate.candidates import open_for
from tests.unit.gate.project_runs import ProjectRuns, project_runs_on

from tidemill.base.events import append_event, events_of_all
from tidemill.base.outbox import EffectState, list_effects
from tidemill.base.site import Site
from tidemill.engine import Run, list_attempts
from tidemill.engine.store import metric_rows
from tidemill.gate import approve, rollback
from tidemill.platform import Platform
from tidemill.tracking.mirror import mirror
from tidemill.tracking.notice import KINDS, TOPIC
from tidemill.tracking.store import mirrored_number

PEER = os.environ.get("TIDEMILL_PEER_MLFLOW", "")
pytestmark = pytest.mark.skipif(not PEER, reason="TIDEMILL_PEER_MLFLOW names no virtual environment with mlflow")
browser = browsers.browser
START_SECONDS = 100.0
MIRROR_SECONDS = 30.0

LOGS = """
import mlflow
mlflow.set_experiment("by hand <b>'")
with mlflow.start_run() as run:
    mlflow.log_param("a", 1)
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_text("hello", "greetings/hello.txt")
client = mlflow.MlflowClient()
history = [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "loss")]
text = mlflow.artifacts.load_text(run.info.artifact_uri + "/greetings/hello.txt")
tell([history, text])
"""
SEES = """
import mlflow
seen = [experiment.name for experiment in mlflow.search_experiments()]
try:
    mlflow.create_experiment("mine")
    wrote = "done"
except mlflow.exceptions.RestException as problem:
    wrote = problem.error_code
tell([seen, wrote])
"""
MIRRORED = """
import mlflow
client = mlflow.MlflowClient()
runs = mlflow.search_runs(search_all_experiments=True, output_format="list",
                          filter_string="tags.`tidemill.run_id` != ''")
versions = mlflow.search_model_versions()
tell({
    "runs": {run.data.tags["tidemill.run_id"]: {
        "status": run.info.status,
        "name": run.info.run_name,
        "experiment": client.get_experiment(run.info.experiment_id).name,
        "params": run.data.params,
        "metrics": {name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
                    for name in run.data.metrics},
        "tags": {name: run.data.tags[name] for name in run.data.tags},
    } for run in runs},
    "many": len(runs),
    "versions": {version.tags["tidemill.version"]: [int(version.version), version.run_id] for version in versions},
    "aliases": {model.name: model.aliases for model in mlflow.search_registered_models()},
})
"""


class Live:
    """A site that is up, and programs of people who use it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEMILL_", "MLFLOW_"))}
        python = str(Path(PEER) / "bin" / "python")
        self.environment = {
            **kept,
            "TIDEMILL_HOME": str(home),
            "TIDEMILL_MLFLOW_PYTHON": python,
            "XDG_RUNTIME_DIR": "/tmp",
        }
        self.python = python

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tidemill", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def exports(self) -> dict[str, str]:
        """What `tidemill env` prints."""
        told: dict[str, str] = json.loads(self("env", "--json"))
        return told

    def process(self, name: str = "mlflow") -> dict[str, Any]:
        """A process of the site, as `status` tells."""
        return next(each for each in json.loads(self("status", "--json"))["processes"] if each["name"] == name)

    def program(self, text: str, token: str) -> Any:
        """What a program of somebody with a token tells."""
        exports = {**self.exports(), "MLFLOW_TRACKING_TOKEN": token}
        variables = {name: value for name, value in exports.items() if name.startswith("MLFLOW_")}
        tell = "import json\ndef tell(value):\n    print('TOLD', json.dumps(value))\n"
        done = subprocess.run(
            [self.python, "-W", "ignore", "-c", tell + text],
            env={"PATH": os.environ["PATH"], "GIT_PYTHON_REFRESH": "quiet", **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("TOLD")).partition(" ")[2])


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A live site with a gateway, down afterwards."""
    made = Live(tmp_path_factory.mktemp("mlflow") / "home")
    made("up", "--detach", "--port", "0")
    yield made
    made("down")


def test_mlflow_is_not_there_until_somebody_asks_and_then_answers_its_client(live: Live) -> None:
    assert (live.process()["state"], live.process()["pid"]) == ("IDLE", None)
    exports = live.exports()
    bearer = {"Authorization": f"Bearer {exports['MLFLOW_TRACKING_TOKEN']}"}
    page = httpx.get(exports["MLFLOW_TRACKING_URI"] + "/", headers={**bearer, "Accept": "text/html"})
    assert (page.status_code, page.headers["refresh"]) == (503, "2")
    version = httpx.get(exports["MLFLOW_TRACKING_URI"] + "/version", headers=bearer, timeout=START_SECONDS)
    assert version.status_code == 200, version.text
    assert live.process()["pid"]
    history, text = live.program(LOGS, exports["MLFLOW_TRACKING_TOKEN"])
    assert (history, text) == ([[0, 1.0], [1, 0.5], [2, 1 / 3]], "hello")
    page = httpx.get(exports["MLFLOW_TRACKING_URI"] + "/", headers={**bearer, "Accept": "text/html"})
    assert "static-files/" in page.text
    assert not (live.home / "mlflow" / "artifacts" / "greetings").exists(), "artifacts lie below their namespace"


def test_a_viewer_sees_and_writes_nothing_and_another_team_sees_nothing(live: Live) -> None:
    secrets = {}
    for person, role, namespace in (("vera", "viewer", "default"), ("sam", "owner", "risk")):
        words = ("--person", person, "--role", role, "--namespace", namespace)
        secrets[person] = json.loads(live("token", "create", *words, "--json"))["secret"]
    by_hand = "by hand <b>'"
    seen, wrote = live.program(SEES, secrets["vera"])
    assert (by_hand in seen, wrote) == (True, "PERMISSION_DENIED")
    seen, wrote = live.program(SEES, secrets["sam"])
    assert (by_hand in seen, wrote) == (False, "done")


@contextmanager
def _paused(pid: int) -> Iterator[None]:
    """A process of the site that does nothing meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _until_mirrored(site: Site) -> None:
    """Until what happened so far has been noticed and delivered."""
    with site.database.read() as connection:
        last = events_of_all(connection, number=0, kinds=KINDS, limit=1000)[-1]
    deadline = time.monotonic() + MIRROR_SECONDS
    while True:
        with site.database.read() as connection:
            number = mirrored_number(connection, TOPIC)
        states = (EffectState.WAITING, EffectState.DEAD)
        waiting = list_effects(site, last.namespace_id, states=states, before=None, limit=100)
        if number >= last.number and not waiting:
            return
        assert time.monotonic() < deadline, waiting
        time.sleep(0.1)


def _report(site: Site, run: Run, values: list[float]) -> None:
    """Metrics of the step that ran, as the engine keeps them; one of them of an attempt that did not win."""
    (attempt, *_) = list_attempts(site, people_of(site).viewer, run.id)
    common = {"namespace_id": run.namespace_id, "run_id": run.id, "task_id": attempt.task_id, "attempt_id": attempt.id}
    with site.database.write() as connection:
        for step, value in enumerate([*values, 99.0]):
            finite = abs(value) < float("inf")
            connection.execute(
                insert(metric_rows).values(
                    id=site.ids.new(),
                    task_path="train[1]",
                    name="mäe",
                    value=value if finite else None,
                    special=None if finite else repr(value),
                    step=step,
                    provisional=step == len(values),
                    created_by="alan",
                    created_at=site.clock.now(),
                    **common,
                )
            )


def _registered(runs: ProjectRuns, run: Run) -> Any:
    version = runs.register(run)
    with runs.site.database.write() as connection:
        append_event(
            connection,
            runs.site.clock,
            namespace_id=run.namespace_id,
            kind="model_version.registered",
            subject_id=version.id,
            data={},
            created_by="alan",
        )
    return version


def test_runs_versions_and_live_pointers_are_seen_in_mlflow_and_told_again_change_nothing(live: Live) -> None:
    exports = live.exports()
    token = exports["MLFLOW_TRACKING_TOKEN"]
    bearer = {"Authorization": f"Bearer {token}"}
    httpx.get(exports["MLFLOW_TRACKING_URI"] + "/version", headers=bearer, timeout=START_SECONDS)  # somebody uses it
    site = Platform(home=live.home).site
    people = people_of(site)
    with _paused(live.process("worker")["pid"]), project_runs_on(site, people) as runs:
        first, second = runs.run(alpha=0.25), runs.run(alpha=0.75)
        versions = [_registered(runs, run) for run in (first, second)]
        for version in versions:
            review = open_for(site, people.author, version)
            approve(site, people.approver, review.id, version.package_digest)
        _report(site, second, [2.0, 1.5, float("nan")])
        with site.database.write() as connection:  # a resumed run is told again, with what it has by now
            append_event(
                connection,
                site.clock,
                namespace_id=second.namespace_id,
                kind="run.succeeded",
                subject_id=second.id,
                data={},
                created_by="alan",
            )
        _until_mirrored(site)
        seen = live.program(MIRRORED, token)
        rollback(site, people.owner, environment="production", service="fuel")
        _until_mirrored(site)
    shown, port = seen["runs"][second.id], exports["TIDEMILL_URL"].rpartition(":")[2]
    assert (shown["status"], shown["name"], shown["experiment"]) == ("FINISHED", second.name, "Default")
    assert shown["params"]["alpha"] == "0.75"
    assert [point[0] for point in shown["metrics"]["m_e"]] == [0, 1, 2], "what did not win is left out"
    assert shown["tags"]["tidemill.spec_digest"] == second.spec_digest
    assert shown["tags"]["tidemill.link"].endswith(f":{port}/runs/{second.id}")
    assert seen["versions"]["fuel@2"][0] == 2
    assert seen["aliases"] == {"fuel": {"production-fuel": "2"}}

    done = list_effects(site, second.namespace_id, states=[EffectState.DONE], before=None, limit=100)
    assert len(done) >= 5
    for effect in done:
        mirror(site, effect, exports["TIDEMILL_URL"])
    again = live.program(MIRRORED, token)
    assert again == {**seen, "aliases": {"fuel": {"production-fuel": "1"}}}


def test_the_page_of_a_run_leads_to_the_same_run_in_mlflow(live: Live, browser: Browser) -> None:
    site = Platform(home=live.home).site
    with _paused(live.process("worker")["pid"]), project_runs_on(site, people_of(site)) as runs:
        run = runs.run(alpha=0.5)
        _registered(runs, run)
    page = browser.new_page()
    page.set_default_timeout(MIRROR_SECONDS * 1000)
    page.goto(json.loads(live("open", "--json"))["url"])
    page.goto(f"{live.exports()['TIDEMILL_URL']}/runs/{run.id}")
    page.get_by_role("link", name="In MLflow").click()
    page.wait_for_url(re.compile(r"/mlflow/#/experiments/\w+/runs/\w+"))
    tag = page.get_by_role("status", name="tidemill.run_id")
    expect(tag).to_contain_text(run.id, timeout=MIRROR_SECONDS * 1000)
    page.goto(f"{live.exports()['TIDEMILL_URL']}/models/fuel")
    page.get_by_role("link", name="In MLflow").click()
    page.wait_for_url(re.compile(r"/mlflow/#/models/fuel$"))
    expect(page.get_by_text(re.compile(r"Version \d")).first).to_be_visible(timeout=MIRROR_SECONDS * 1000)
    page.close()
