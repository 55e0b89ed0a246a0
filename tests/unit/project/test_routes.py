"""The routes of the project file: who may call them, and what they answer."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from starlette.testclient import TestClient

from tidemill.access import Role, authenticate, create_token, local_token
from tidemill.platform import Platform
from tidemill.server.app import create_app

FUEL = {
    "project": {"name": "fuel", "notebook": "fuel.ipynb"},
    "model": {"name": "fuel", "output": "train.model", "sample": "features.X"},
    "gate": {"approvals": 2},
    "service": {"name": "fuel", "title": "Fuel"},
}
PATH = "/api/v1/projects/fuel"


@pytest.fixture
def client(platform: Platform) -> TestClient:
    """The owner's client."""
    return client_of(platform)


@pytest.fixture(scope="module")
def refused(shared_platform: Platform) -> TestClient:
    """The same for all who get nothing done with it."""
    return client_of(shared_platform)


def client_of(platform: Platform) -> TestClient:
    headers = {"Authorization": f"Bearer {local_token(platform.site)}"}
    return TestClient(create_app(platform), base_url="http://localhost", headers=headers)


def body(**changes: Any) -> dict[str, Any]:
    return {"document": {**FUEL, **changes}, "file": "here:/tidemill.toml"}


def test_a_project_is_planned_applied_shown_and_listed(client: TestClient) -> None:
    planned = client.post(f"{PATH}/plan", json=body()).json()
    assert (planned["applied"], len(planned["changes"])) == (None, 8)
    made = client.put(PATH, json=body(), headers={"If-Match": '"0"'})
    assert (made.status_code, made.json()["generation"]["number"]) == (200, 1)
    assert client.get(PATH).json()["document"] == FUEL
    assert client.get(f"{PATH}/generations/1").json()["file"] == "here:/tidemill.toml"
    assert [each["project"] for each in client.get("/api/v1/projects").json()["items"]] == ["fuel"]
    assert client.get("/api/v1/services/fuel").json()["spec"]["form"]["title"] == "Fuel"
    again = client.post(f"{PATH}/plan", json={**body(), "base": 1}).json()
    assert (again["changes"], again["at_run_time"], again["by_others"], again["released"]) == ([], [], [], [])


def test_generations_come_in_pages_newest_first(client: TestClient) -> None:
    for number in (1, 2, 3):
        headers = {"If-Match": str(number - 1)}
        assert client.put(PATH, json=body(gate={"approvals": number}), headers=headers).status_code == 200
    first = client.get(f"{PATH}/generations?page_size=2").json()
    assert [each["number"] for each in first["items"]] == [3, 2]
    rest = client.get(f"{PATH}/generations", params={"page_token": first["next_page_token"]}).json()
    assert ([each["number"] for each in rest["items"]], rest["next_page_token"]) == ([1], None)
    assert client.get("/api/v1/projects?page_size=1").json()["next_page_token"] is None
    assert client.get("/api/v1/projects/nothing/generations").json()["items"] == []


def test_an_older_generation_is_refused_and_without_one_nothing_of_others_is_taken_back(client: TestClient) -> None:
    client.put(PATH, json=body())
    stale = client.put(PATH, json=body(gate={"approvals": 3}), headers={"If-Match": '"0"'})
    assert (stale.status_code, stale.json()["remedy"]) == (409, "look again: tidemill plan")
    blind = client.put(PATH, json=body(gate={"approvals": 3}))
    assert (blind.status_code, blind.json()["place"]) == (409, "project.name")
    read = client.put(PATH, json=body(gate={"approvals": 3}), headers={"If-Match": '"1"'})
    assert read.status_code == 200
    assert client.put(PATH, json={**body(), "force": True}).json()["generation"]["number"] == 3


def test_of_two_applies_at_once_one_gets_a_conflict(client: TestClient) -> None:
    client.put(PATH, json=body())
    answers: dict[int, int] = {}
    ready = threading.Barrier(2)

    def send(approvals: int) -> None:
        ready.wait()
        reply = client.put(PATH, json=body(gate={"approvals": approvals}), headers={"If-Match": "1"})
        answers[approvals] = reply.status_code

    threads = [threading.Thread(target=send, args=(approvals,)) for approvals in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [200, 409]
    (winner,) = [approvals for approvals, status in answers.items() if status == 200]
    assert client.get(PATH).json()["document"]["gate"] == {"approvals": winner}
    assert client.get(PATH).json()["number"] == 2


def test_an_apply_that_is_sent_again_with_its_key_is_done_once(client: TestClient) -> None:
    headers = {"Idempotency-Key": "once", "If-Match": "0"}
    first, second = (client.put(PATH, json=body(), headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert client.get(PATH).json()["number"] == 1


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "place"),
    [
        ("PUT", PATH, {"document": {**FUEL, "gate": {"aprovals": 1}}}, 400, "tidemill.toml: gate.aprovals"),
        ("PUT", PATH, {"document": {}}, 400, "tidemill.toml"),
        ("PUT", PATH, {}, 400, "body.document"),
        ("PUT", PATH, {**body(), "base": -1}, 400, "body.base"),
        ("PUT", PATH, {**body(), "colour": 1}, 400, "body.colour"),
        ("PUT", "/api/v1/projects/other", body(), 400, "project.name"),
        ("POST", f"{PATH}/plan", {**body(), "force": True}, 400, "body.force"),
        ("GET", PATH, None, 404, None),
        ("GET", f"{PATH}/generations/1", None, 404, None),
        ("GET", f"{PATH}/generations?page_token=MTp4", None, 400, "page_token"),
    ],
)
def test_bad_input_is_a_4xx_with_its_place(
    refused: TestClient, method: str, path: str, sent: Any, status: int, place: str | None
) -> None:
    reply = refused.request(method, path, json=sent)
    assert (reply.status_code, reply.json()["place"]) == (status, place), reply.text
    assert reply.json()["message"]


def test_if_match_is_a_number(refused: TestClient) -> None:
    reply = refused.put(PATH, json=body(), headers={"If-Match": "newest"})
    assert (reply.status_code, reply.json()["place"]) == (400, "header If-Match")


def test_a_viewer_plans_and_does_not_apply(platform: Platform, client: TestClient) -> None:
    owner = authenticate(platform.site, local_token(platform.site))
    _, secret = create_token(platform.site, owner, person="vera", roles=frozenset({Role.VIEWER}))
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.post(f"{PATH}/plan", json=body(), headers=headers).status_code == 200
    refused = client.put(PATH, json=body(), headers=headers)
    assert refused.status_code == 403
    assert refused.json()["remedy"].startswith("ask somebody with the role owner or contributor")
    assert client.get(PATH).status_code == 404
