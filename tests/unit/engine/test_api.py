"""The routes of runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.responses import JSONResponse

from tidemill.access import Actor, Role
from tidemill.base.errors import InvalidInput, TidemillError
from tidemill.engine import list_attempts
from tidemill.engine.api import routes
from tidemill.engine.testing import Step, pipeline_of
from tidemill.pipelines import load_pipeline


def _client(bench: Any, actor: Actor) -> TestClient:
    app = FastAPI()
    app.state.find_actor = lambda _request: actor
    app.include_router(routes(bench.site))

    @app.exception_handler(TidemillError)
    async def answer(_request: Request, problem: TidemillError) -> JSONResponse:
        return JSONResponse(problem.to_json(), status_code=problem.http_status)

    return TestClient(app)


@pytest.fixture
def client(bench: Any) -> TestClient:
    """A client of somebody who may run pipelines."""
    return _client(bench, bench.actor)


def _spec(*steps: Step) -> str:
    return json.dumps(dict(pipeline_of(*steps).raw))


def test_a_run_is_submitted_driven_and_read_back(bench: Any, client: TestClient) -> None:
    bench.programs.programs["only"] = lambda _: {"number": float("nan")}
    answer = client.post("/runs", json={"spec": _spec(Step(name="only", outputs={"number": float})), "name": "mine"})
    assert answer.status_code == 201
    run = answer.json()
    assert (run["name"], run["state"], run["author"]) == ("mine", "PENDING", "alan")
    bench.worker().run_until_done(run["id"])
    assert client.get(f"/runs/{run['id']}").json()["state"] == "SUCCEEDED"
    (task,) = client.get(f"/runs/{run['id']}/tasks").json()
    assert (task["path"], task["state"], task["output_parameters"]) == ("only", "SUCCEEDED", {"number": "nan"})
    (attempt,) = client.get(f"/runs/{run['id']}/attempts").json()
    assert (attempt["number"], attempt["exit_status"]) == (1, 0)
    assert client.get(f"/runs/{run['id']}/metrics").json() == []
    assert [one["id"] for one in client.get("/runs", params={"state": "SUCCEEDED"}).json()["items"]] == [run["id"]]
    assert client.get("/runs").json()["items"][0]["metrics"] is None
    assert client.get("/runs", params={"with_metrics": True}).json()["items"][0]["metrics"] == {}


def test_a_log_is_read_by_byte_offset_and_never_in_the_middle_of_a_character(bench: Any, client: TestClient) -> None:
    run = bench.run(pipeline_of(Step(name="only")))
    (attempt,) = list_attempts(bench.site, bench.actor, run.id)
    (bench.site.home.logs / attempt.log).write_text("aé€b\n")
    seen, offset, is_complete = "", 0, False
    while not is_complete:
        query: dict[str, str | int] = {"task": "only", "offset_bytes": offset, "limit_bytes": 4}
        piece = client.get(f"/runs/{run.id}/logs", params=query).json()
        seen += piece["text"]
        offset, is_complete = piece["next_offset_bytes"], piece["is_complete"]
    assert seen == "aé€b\n"
    assert client.get(f"/runs/{run.id}/logs", params={"task": "other"}).status_code == 404


def test_cancel_and_resume_answer_with_the_run(bench: Any, client: TestClient) -> None:
    run = client.post("/runs", json={"spec": _spec(Step(name="only"))}).json()
    assert client.post(f"/runs/{run['id']}/cancel").json()["state"] == "CANCELING"
    assert client.post(f"/runs/{run['id']}/resume").status_code == 409
    bench.worker().run_until_done(run["id"])
    assert client.post(f"/runs/{run['id']}/cancel").status_code == 409
    assert client.post(f"/runs/{run['id']}/resume").json()["state"] == "PENDING"


@pytest.mark.parametrize("spec", ["{", "[]", "a: &a [*a]", "pipelineInfo: {}", "- 1"])
def test_what_is_no_spec_is_the_callers_fault(client: TestClient, spec: str) -> None:
    assert client.post("/runs", json={"spec": spec}).status_code == 400


def test_a_viewer_reads_and_does_not_run(bench: Any, client: TestClient) -> None:
    run = client.post("/runs", json={"spec": _spec(Step(name="only"))}).json()
    viewer = Actor(person="vera", namespace_id=bench.actor.namespace_id, roles=frozenset({Role.VIEWER}))
    other = _client(bench, viewer)
    assert other.get(f"/runs/{run['id']}").status_code == 200
    for path in ("", f"/{run['id']}/cancel", f"/{run['id']}/resume"):
        assert other.post(f"/runs{path}", json={"spec": "{}"}).status_code == 403


def test_a_run_of_another_namespace_is_not_found(bench: Any, client: TestClient) -> None:
    run = client.post("/runs", json={"spec": _spec(Step(name="only"))}).json()
    stranger = _client(bench, Actor(person="eve", namespace_id="other", roles=frozenset({Role.OWNER})))
    for path in ("", "/tasks", "/attempts", "/metrics", "/logs?task=only"):
        assert stranger.get(f"/runs/{run['id']}{path}").status_code == 404
    for verb in ("cancel", "resume"):
        assert stranger.post(f"/runs/{run['id']}/{verb}").status_code == 404
    assert stranger.get("/runs").json()["items"] == []


def test_a_missing_input_artifact_is_named_with_the_way_to_give_it(bench: Any) -> None:
    raw = pipeline_of(Step(name="only")).raw
    kind = {"schemaTitle": "system.Model", "schemaVersion": "0.0.1"}
    artifacts = {"artifacts": {"model": {"artifactType": kind}}}
    pipeline = load_pipeline(json.dumps({**raw, "root": {**raw["root"], "inputDefinitions": artifacts}}), place="spec")
    with pytest.raises(InvalidInput, match="'model' is missing") as caught:
        bench.submit(pipeline)
    assert '"artifacts": {"model": ARTIFACT_ID}' in str(caught.value.remedy)


def test_experiments_count_their_runs_and_tell_of_the_newest(bench: Any, client: TestClient) -> None:
    bench.programs.programs["only"] = lambda _: {}
    spec = _spec(Step(name="only"))
    made = [
        client.post("/runs", json={"spec": spec, "experiment": name}).json()["id"] for name in ("old", "new", "old")
    ]
    bench.programs.programs["only"] = lambda _: 3
    bench.worker().run_until_done(made[0])
    found = client.get("/experiments").json()
    assert [(one["name"], one["runs"], one["failed"]) for one in found] == [("old", 2, 1), ("new", 1, 0)]
    assert found[0]["newest_run_id"] == made[2]
