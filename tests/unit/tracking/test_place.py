"""The way from a run or a model to the same one in MLflow, while MLflow starts, hears of it, and when it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from starlette.testclient import TestClient
from tests.conftest import People, people_of
from tests.unit.gate.project_runs import ProjectRuns, project_runs_on

from tidemill.access import Actor, local_token
from tidemill.base.errors import NotFound, TidemillError, Unavailable
from tidemill.base.site import Site
from tidemill.platform import Platform
from tidemill.server.app import create_app
from tidemill.tracking import place
from tidemill.tracking.client import MlflowRefusal
from tidemill.tracking.place import PlaceState, place_of_model, place_of_run
from tidemill.tracking.use import last_use

MISSING = MlflowRefusal("RESOURCE_DOES_NOT_EXIST", "there is none")


@dataclass
class FakeClient:
    """A conversation with an MLflow that says these things, or refuses so."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def get(self, path: str, **params: Any) -> Any:
        self.asked.append((path, params))
        answer = self.answers[path]
        if isinstance(answer, TidemillError):
            raise answer
        return answer

    post = get


@pytest.fixture
def people(still_site: Site) -> People:
    return people_of(still_site)


@pytest.fixture
def runs(still_site: Site, people: People) -> Iterator[ProjectRuns]:
    with project_runs_on(still_site, people) as made:
        yield made


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr(place, "MlflowClient", lambda *_, **__: fake)
    return fake


def _knows(mlflow: FakeClient, **info: str) -> None:
    mlflow.answers["experiments/get-by-name"] = {"experiment": {"experiment_id": "4", "lifecycle_stage": "active"}}
    found = [{"info": {"experiment_id": "4", "run_id": "f00", **info}}] if info else []
    mlflow.answers["runs/search"] = {"runs": found}


def test_a_run_is_waited_for_and_found_by_its_id(runs: ProjectRuns, people: People, mlflow: FakeClient) -> None:
    run = runs.run(alpha=0.5)
    site, viewer = runs.site, people.viewer
    mlflow.answers["experiments/get-by-name"] = Unavailable("MLflow takes too long")
    assert last_use(site.home) is None
    assert place_of_run(site, viewer, run.id) == place.Place(state=PlaceState.STARTING)
    assert last_use(site.home) is not None, "from now on MLflow is told what happened"
    mlflow.answers["experiments/get-by-name"] = Unavailable("MLflow answered 503: no index")
    assert place_of_run(site, viewer, run.id).message == "MLflow answered 503: no index"
    mlflow.answers["experiments/get-by-name"] = MISSING
    assert place_of_run(site, viewer, run.id).state is PlaceState.TOLD
    _knows(mlflow)
    assert place_of_run(site, viewer, run.id).state is PlaceState.TOLD
    _knows(mlflow, lifecycle_stage="active")
    found = place_of_run(site, viewer, run.id)
    assert (found.state, found.url) == (PlaceState.THERE, "/mlflow/#/experiments/4/runs/f00")
    assert mlflow.asked[-1][1]["filter"] == f"tags.`tidemill.run_id` = '{run.id}'"
    _knows(mlflow, lifecycle_stage="deleted")
    assert place_of_run(site, viewer, run.id).state is PlaceState.DELETED


def test_a_model_is_where_its_name_is(runs: ProjectRuns, people: People, mlflow: FakeClient) -> None:
    version = runs.register(runs.run(alpha=0.5))
    mlflow.answers["registered-models/get"] = MISSING
    assert place_of_model(runs.site, people.viewer, version.model).state is PlaceState.TOLD
    mlflow.answers["registered-models/get"] = {}
    assert place_of_model(runs.site, people.viewer, version.model).url == f"/mlflow/#/models/{version.model}"


def test_what_is_not_of_the_namespace_is_not_asked_for(runs: ProjectRuns, people: People, mlflow: FakeClient) -> None:
    run = runs.run(alpha=0.5)
    stranger = Actor(person="sam", namespace_id="another", roles=people.owner.roles)
    with pytest.raises(NotFound):
        place_of_run(runs.site, stranger, run.id)
    with pytest.raises(NotFound):
        place_of_model(runs.site, stranger, "fuel")
    assert mlflow.asked == []


def test_the_routes_say_whether_there_is_an_mlflow(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = {"Authorization": f"Bearer {local_token(platform.site)}"}
    client = TestClient(create_app(platform), base_url="http://localhost")
    assert client.get("/api/v1/mlflow", headers=owner).json() == {"on": True}
    monkeypatch.setenv("TIDEMILL_MLFLOW", "false")
    off = TestClient(create_app(Platform(home=platform.home_path)), base_url="http://localhost")
    assert off.get("/api/v1/mlflow", headers=owner).json() == {"on": False}
    refused = off.get("/api/v1/runs/r/mlflow", headers=owner)
    assert (refused.status_code, refused.json()["place"]) == (404, "setting mlflow")
