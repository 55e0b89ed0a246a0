"""The routes of registry, gate and tuning: who may call them, and what they answer."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.responses import JSONResponse
from tests.conftest import People
from tests.unit.gate.candidates import add_version, make_tables, open_for
from tests.unit.gate.project_runs import ProjectRuns

from tidemill.access import Actor
from tidemill.base.errors import TidemillError
from tidemill.base.site import Site
from tidemill.engine import store as engine_tables
from tidemill.gate import api as gate_api
from tidemill.registry import ModelVersion
from tidemill.registry import api as registry_api
from tidemill.tuning import api as tuning_api
from tidemill.tuning import store as tuning_tables

Call = Callable[..., Any]


@pytest.fixture
def version(site: Site, people: People) -> ModelVersion:
    """A version of the author."""
    make_tables(site)
    engine_tables.metadata.create_all(site.database.engine)
    tuning_tables.metadata.create_all(site.database.engine)
    return add_version(site, people.author)


@pytest.fixture
def call(site: Site, people: People, version: ModelVersion) -> Call:
    """Call a route as somebody: `call("ada", "GET", "/reviews")` gives the response."""
    app = FastAPI()
    known: dict[str, Actor] = {
        actor.person: actor for actor in (people.owner, people.author, people.approver, people.viewer)
    }
    app.state.find_actor = lambda request: known[request.headers["x-person"]]

    @app.exception_handler(TidemillError)
    def refuse(_: Request, problem: TidemillError) -> JSONResponse:
        return JSONResponse(problem.to_json(), status_code=problem.http_status)

    for api in (registry_api, gate_api, tuning_api):
        app.include_router(api.routes(site))
    client = TestClient(app)

    def do(who: str, method: str, path: str, body: Any = None) -> Any:
        return client.request(method, path, headers={"x-person": who}, json=body)

    return do


def test_a_review_is_approved_with_the_digest_that_the_approver_saw(
    call: Call, site: Site, people: People, version: ModelVersion
) -> None:
    review = open_for(site, people.author, version)
    shown = call("ada", "GET", f"/reviews/{review.id}").json()
    assert (shown["state"], shown["checks_state"], shown["model_version"]) == ("open", "passed", "fuel@1")
    assert call("ada", "POST", f"/reviews/{review.id}/approve", {}).status_code == 422
    wrong = call("ada", "POST", f"/reviews/{review.id}/approve", {"package_digest": "sha256:" + "0" * 64})
    assert wrong.status_code == 409
    refused = call("alan", "POST", f"/reviews/{review.id}/approve", {"package_digest": shown["package_digest"]})
    assert refused.status_code == 403
    done = call("ada", "POST", f"/reviews/{review.id}/approve", {"package_digest": shown["package_digest"]})
    assert (done.status_code, done.json()["state"]) == (200, "approved")
    pointer = call("vera", "GET", "/live-pointers").json()["items"][0]
    assert (pointer["service"], pointer["model_version_id"]) == ("fuel", version.id)
    trace = call("vera", "GET", "/model-versions/fuel@1/trace").json()
    assert trace["reviews"][0]["approvals"][0]["approver"] == "ada"
    assert call("vera", "GET", "/audit/verification").json()["lines"] == 6
    kinds = [entry["kind"] for entry in call("vera", "GET", "/audit").json()["items"]]
    assert kinds.count("approval.refused") == 2


def test_a_pipeline_version_is_asked_for_shown_and_approved(call: Call, runs: ProjectRuns) -> None:
    run = runs.run()
    opened = call("alan", "POST", "/pipeline-reviews", {"run_id": run.id, "service": "fuel"})
    assert (opened.status_code, opened.json()["about"], opened.json()["model_version_id"]) == (201, "pipeline", None)
    review = opened.json()
    assert call("vera", "GET", "/approved-pipelines/fuel/production").status_code == 404
    found = call("vera", "GET", f"/reviews/{review['id']}/pipeline-difference").json()
    assert (found["against"], found["spec_digest"]) == (None, [None, run.spec_digest])
    body = {"package_digest": review["pipeline"]["digest"]}
    assert call("ada", "POST", f"/reviews/{review['id']}/approve", body).json()["state"] == "approved"
    known = call("vera", "GET", "/approved-pipelines/fuel/production").json()
    assert (known["spec_digest"], known["run_id"], known["approved_by"]) == (run.spec_digest, run.id, ["ada"])
    assert call("vera", "GET", "/approved-pipelines/..%2Ffuel/production").status_code == 404


def test_the_evidence_is_an_archive_with_the_same_bytes_each_time(
    call: Call, site: Site, people: People, version: ModelVersion
) -> None:
    review = open_for(site, people.author, version)
    answer = call("vera", "GET", f"/reviews/{review.id}/evidence")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {"review.json", "review.html", "public-key.pem", "VERIFY.txt"} <= set(archive.namelist())
        assert json.loads(archive.read("review.json"))["review"]["id"] == review.id
        assert archive.read("public-key.pem") == call("vera", "GET", "/public-key").content
    assert answer.headers["content-type"] == "application/zip"


def test_lists_are_paged(call: Call, site: Site, people: People, version: ModelVersion) -> None:
    for _ in range(2):
        open_for(site, people.author, add_version(site, people.author))
    for path, count in (("/models/fuel/versions", 3), ("/reviews", 2), ("/audit", 3), ("/models", 1)):
        seen: list[str] = []
        token = None
        while True:
            page = call("vera", "GET", f"{path}?page_size=1" + (f"&page_token={token}" if token else "")).json()
            seen += [json.dumps(item, sort_keys=True) for item in page["items"]]
            token = page["next_page_token"]
            if token is None:
                break
        assert len(set(seen)) == len(seen) == count, path
    assert call("vera", "GET", "/reviews?page_token=!").status_code == 400
    open_ones = call("vera", "GET", "/reviews?state=open").json()["items"]
    assert [review["model_version"] for review in open_ones] == ["fuel@3"]


def test_versions_are_shown_and_compared(call: Call, site: Site, people: People, version: ModelVersion) -> None:
    assert call("vera", "GET", "/model-versions/fuel@1").json()["metrics"] == {"mae": 2.5, "r2": 0.75}
    add_version(site, people.author)
    found = call("vera", "GET", "/model-differences?old=fuel@1&new=fuel@2").json()
    assert (found["old"], found["new"], found["metrics"]) == ("fuel@1", "fuel@2", {})
    assert call("vera", "GET", "/model-versions/fuel@9").status_code == 404
    assert call("olga", "POST", "/model-versions/fuel@2/retire").json()["state"] == "retired"


ROUTES = [
    ("POST", "/models/fuel/versions", {"run_id": "r", "model_output": "a.b", "sample_output": "a.c"}, "olga alan"),
    ("POST", "/model-versions/fuel@1/retire", None, "olga alan ada"),
    ("POST", "/reviews", {"model_version": "fuel@9", "service": "fuel"}, "olga alan"),
    ("POST", "/pipeline-reviews", {"run_id": "r", "service": "fuel"}, "olga alan"),
    ("GET", "/approved-pipelines/fuel/production", None, "olga alan ada vera"),
    ("GET", "/reviews/x/pipeline-difference", None, "olga alan ada vera"),
    ("POST", "/reviews/x/reject", {"reason": "no"}, "ada"),
    ("POST", "/reviews/x/withdraw", None, "olga alan"),
    ("POST", "/rollbacks", {"service": "fuel"}, "olga alan ada"),
    ("POST", "/tunings", {"pipeline": "x", "space": {}, "objective": "a"}, "olga alan"),
    ("POST", "/tunings/x/cancel", None, "olga alan"),
    ("GET", "/models", None, "olga alan ada vera"),
    ("GET", "/reviews", None, "olga alan ada vera"),
    ("GET", "/tunings", None, "olga alan ada vera"),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), ROUTES)
def test_each_route_asks_for_its_permission(call: Call, method: str, path: str, body: Any, allowed: str) -> None:
    for who in ("olga", "alan", "ada", "vera"):
        status = call(who, method, path, body).status_code
        assert (status != 403) == (who in allowed.split()), (who, status)
        assert status < 500


def test_an_approval_by_somebody_without_the_role_is_refused_and_recorded(
    call: Call, site: Site, people: People, version: ModelVersion
) -> None:
    review = open_for(site, people.author, version)
    for who in ("olga", "alan", "vera"):
        body = {"package_digest": review.package_digest}
        assert call(who, "POST", f"/reviews/{review.id}/approve", body).status_code == 403
    kinds = [entry["kind"] for entry in call("vera", "GET", "/audit").json()["items"]]
    assert kinds.count("approval.refused") == 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model_version": "fuel@1"},
        {"model_version": "fuel@1", "service": "fuel", "extra": 1},
        {"model_version": "fuel@1", "service": "fuel", "policy": {"approvals": 0}},
        {"model_version": "fuel@1", "service": "fuel", "policy": {"thresholds": "x"}},
        {"model_version": "fuel@1", "service": "../x"},
        {"model_version": "fuel@1", "service": "fuel", "policy": []},
    ],
)
def test_a_review_that_cannot_be_is_a_fault_of_the_caller(call: Call, body: Any) -> None:
    assert call("alan", "POST", "/reviews", body).status_code in (400, 422)
    assert call("alan", "GET", "/reviews").json()["items"] == []
