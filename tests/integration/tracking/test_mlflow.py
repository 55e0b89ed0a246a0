"""MLflow's released client at a live site: it starts MLflow by asking, and sees what it may."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

PEER = os.environ.get("TIDEMILL_PEER_MLFLOW", "")
pytestmark = pytest.mark.skipif(not PEER, reason="TIDEMILL_PEER_MLFLOW names no virtual environment with mlflow")
START_SECONDS = 100.0

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
tell([[experiment.name for experiment in mlflow.search_experiments()], len(mlflow.search_runs(
    experiment_names=["by hand <b>'"], output_format="list"))])
"""
WRITES = """
import mlflow
try:
    mlflow.create_experiment("mine")
except mlflow.exceptions.RestException as problem:
    tell(problem.error_code)
"""


class Site:
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

    def process(self) -> dict[str, Any]:
        """The MLflow of the site, as `status` tells."""
        return next(each for each in json.loads(self("status", "--json"))["processes"] if each["name"] == "mlflow")

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
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A live site with a gateway, down afterwards."""
    made = Site(tmp_path_factory.mktemp("mlflow") / "home")
    made("up", "--detach", "--port", "0")
    yield made
    made("down")


def test_mlflow_is_not_there_until_somebody_asks_and_then_answers_its_client(site: Site) -> None:
    assert (site.process()["state"], site.process()["pid"]) == ("IDLE", None)
    exports = site.exports()
    bearer = {"Authorization": f"Bearer {exports['MLFLOW_TRACKING_TOKEN']}"}
    page = httpx.get(exports["MLFLOW_TRACKING_URI"] + "/", headers={**bearer, "Accept": "text/html"})
    assert (page.status_code, page.headers["refresh"]) == (503, "2")
    version = httpx.get(exports["MLFLOW_TRACKING_URI"] + "/version", headers=bearer, timeout=START_SECONDS)
    assert version.status_code == 200, version.text
    assert site.process()["pid"]
    history, text = site.program(LOGS, exports["MLFLOW_TRACKING_TOKEN"])
    assert (history, text) == ([[0, 1.0], [1, 0.5], [2, 1 / 3]], "hello")
    page = httpx.get(exports["MLFLOW_TRACKING_URI"] + "/", headers={**bearer, "Accept": "text/html"})
    assert "static-files/" in page.text
    assert not (site.home / "mlflow" / "artifacts" / "greetings").exists(), "artifacts lie below their namespace"


def test_a_viewer_sees_and_writes_nothing_and_another_team_sees_nothing(site: Site) -> None:
    secrets = {}
    for person, role, namespace in (("vera", "viewer", "default"), ("sam", "owner", "risk")):
        words = ("--person", person, "--role", role, "--namespace", namespace)
        secrets[person] = json.loads(site("token", "create", *words, "--json"))["secret"]
    assert site.program(SEES, secrets["vera"])[1] == 1
    assert site.program(WRITES, secrets["vera"]) == "PERMISSION_DENIED"
    assert "by hand <b>'" not in site.program(SEES.replace("len(", "0 and len("), secrets["sam"])[0]
