"""The verbs place_of_run and place_of_model: where the same thing is in MLflow's pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from tidemill.access import Actor
from tidemill.base.errors import Unavailable
from tidemill.base.site import Site
from tidemill.engine import get_run
from tidemill.registry import list_versions
from tidemill.tracking import shape
from tidemill.tracking.client import MlflowClient, MlflowRefusal
from tidemill.tracking.pages import PREFIX
from tidemill.tracking.use import note_use

LOOK_SECONDS = 2.0
DELETED = "deleted"


class PlaceState(StrEnum):
    """How far MLflow is with a thing that somebody wants to see there."""

    STARTING = "starting"  # its server does not answer yet
    TOLD = "told"  # it answers, and is told of the thing in these seconds
    THERE = "there"  # `url` is its page
    DELETED = "deleted"  # somebody deleted it there, which stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a thing is in MLflow; `url` is "" unless it is there, `message` says why MLflow does not start."""

    state: PlaceState
    url: str = ""
    message: str = ""


def place_of_run(site: Site, actor: Actor, run_id: str) -> Place:
    """Where a run is in MLflow, which starts with the question; `NotFound` for no run of the namespace."""
    run = get_run(site, actor, run_id)

    def find(client: MlflowClient) -> Place | None:
        experiment = client.get("experiments/get-by-name", experiment_name=run.experiment)["experiment"]
        if experiment.get("lifecycle_stage") == DELETED:
            return Place(state=PlaceState.DELETED)
        found = client.post(
            "runs/search",
            experiment_ids=[experiment["experiment_id"]],
            filter=f"tags.`{shape.RUN_TAG}` = '{run.id}'",
            run_view_type="ALL",
            max_results=1,
        ).get("runs", [])
        return _run_place(found[0]["info"]) if found else None

    return _placed(site, actor, find)


def place_of_model(site: Site, actor: Actor, name: str) -> Place:
    """Where a registered model is in MLflow, which starts with the question; `NotFound` for no model of that name."""
    list_versions(site, actor, name, limit=1)

    def find(client: MlflowClient) -> Place | None:
        client.get("registered-models/get", name=name)
        return Place(state=PlaceState.THERE, url=f"{PREFIX}/#/models/{quote(name, safe='')}")

    return _placed(site, actor, find)


def _placed(site: Site, actor: Actor, find: Callable[[MlflowClient], Place | None]) -> Place:
    note_use(site.home)
    try:
        with MlflowClient(site.home, actor.namespace_id, seconds=LOOK_SECONDS) as client:
            return find(client) or Place(state=PlaceState.TOLD)
    except MlflowRefusal as problem:
        if problem.mlflow_code == "RESOURCE_DOES_NOT_EXIST":
            return Place(state=PlaceState.TOLD)
        return Place(state=PlaceState.STARTING, message=str(problem))
    except Unavailable as problem:
        message = problem.message if problem.message.startswith("MLflow answered") else ""
        return Place(state=PlaceState.STARTING, message=message)


def _run_place(info: dict[str, Any]) -> Place:
    if info.get("lifecycle_stage") == DELETED:
        return Place(state=PlaceState.DELETED)
    where = f"experiments/{quote(str(info['experiment_id']), safe='')}/runs/{quote(str(info['run_id']), safe='')}"
    return Place(state=PlaceState.THERE, url=f"{PREFIX}/#/{where}")
