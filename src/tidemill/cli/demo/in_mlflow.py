"""The tenth beat: the same runs and versions in MLflow, by its own API behind the site's login."""

from __future__ import annotations

from typing import Any

import httpx

from tidemill.base.errors import RunFailed
from tidemill.cli.demo.beat import Told
from tidemill.cli.demo.shell import Shell

OURS = "tags.`tidemill.run_id` != ''"
MOST = 1000
ALIAS = "production-fuel"
LIVE = "live"


def same_runs(shell: Shell, _port: int) -> Told:
    """Every run that ended and every version of the site is there, the live one by its alias."""
    runs = {each["id"] for each in shell.get("/runs", page_size=100)["items"] if each["finished_at"]}
    mirrored = shell.until("the runs in MLflow", lambda: _mirrored(shell, runs))
    (live,) = (each["model_label"] for each in shell.get("/services/fuel")["revisions"] if each["state"] == LIVE)
    shell.until(f"{ALIAS} of {live} in MLflow", lambda: True if _aliased(shell) == live else None)
    return Told(
        happened=(
            f"MLflow: the same {len(mirrored)} runs are there with parameters, metrics and data versions, and "
            f"{ALIAS} is the alias of {live}"
        ),
        look='eval "$(tidemill env)"; python -c "import mlflow; print(mlflow.search_experiments())"',
        page="/mlflow/",
    )


def _mirrored(shell: Shell, wanted: set[str]) -> set[str] | None:
    experiments = _ask(shell, "POST", "experiments/search", json={"max_results": MOST}).get("experiments", [])
    ids = [each["experiment_id"] for each in experiments]
    found = _ask(shell, "POST", "runs/search", json={"experiment_ids": ids, "filter": OURS, "max_results": MOST})
    tags = [{tag["key"]: tag["value"] for tag in each["data"]["tags"]} for each in found.get("runs", [])]
    seen = {each["tidemill.run_id"] for each in tags}
    return seen if wanted <= seen else None


def _aliased(shell: Shell) -> str:
    """The site's name of the version that bears the alias."""
    found = _ask(shell, "GET", "registered-models/alias", params={"name": "fuel", "alias": ALIAS})
    tags = {tag["key"]: tag["value"] for tag in found.get("model_version", {}).get("tags", [])}
    return str(tags.get("tidemill.version", ""))


def _ask(shell: Shell, method: str, path: str, **more: Any) -> Any:
    """What MLflow answers; nothing while it is still being started, or has no such thing yet."""
    reply = httpx.request(
        method,
        f"{shell.url()}/mlflow/api/2.0/mlflow/{path}",
        headers={"Authorization": f"Bearer {shell.token()}"},
        timeout=600,
        **more,
    )
    if reply.status_code in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.NOT_FOUND):
        return {}
    if reply.status_code != httpx.codes.OK:
        raise RunFailed(f"answered {reply.status_code}: {reply.text[:300]}", place=f"MLflow's {path}")
    return reply.json()
