"""The routes of serving and monitoring, as the server mounts them."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tidemill.access import Role, authenticate, create_token, local_token
from tidemill.platform import Platform
from tidemill.server.app import create_app


@pytest.fixture
def client(platform: Platform) -> TestClient:
    """The owner's client."""
    headers = {"Authorization": f"Bearer {local_token(platform.site)}"}
    return TestClient(create_app(platform), base_url="http://localhost", headers=headers)


FORM = {
    "title": "Fuel",
    "fields": [{"column": "wght", "unit": "kg", "model_unit": "lb"}],
    "output_unit": "l/100km",
    "model_output_unit": "mpg",
}


def test_a_service_is_applied_shown_listed_and_deleted(client: TestClient) -> None:
    made = client.put("/api/v1/services/fuel", json={"model": "fuel", "form": FORM})
    assert made.status_code == 200
    assert made.json()["reason"] == "AwaitingApproval"
    shown = client.get("/api/v1/services/fuel").json()
    assert (shown["generation"], shown["spec"]["form"]["fields"][0]["unit"]) == (1, "kg")
    status = client.get("/api/v1/services/fuel/status").json()["status"]
    assert {each["type"]: each["status"] for each in status["conditions"]}["Ready"] == "False"
    assert [each["name"] for each in client.get("/api/v1/services").json()["items"]] == ["fuel"]
    assert client.delete("/api/v1/services/fuel").json() == {"gone": True}
    assert client.get("/api/v1/services/fuel").status_code == 404


def test_services_come_in_pages(client: TestClient) -> None:
    for name in ("a", "b", "c"):
        client.put(f"/api/v1/services/{name}", json={})
    first = client.get("/api/v1/services?page_size=2").json()
    assert [each["name"] for each in first["items"]] == ["a", "b"]
    second = client.get("/api/v1/services", params={"page_size": 2, "page_token": first["next_page_token"]}).json()
    assert [each["name"] for each in second["items"]] == ["c"]
    assert second["next_page_token"] is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/api/v1/services/Fuel", {}, 400),
        ("PUT", "/api/v1/services/fuel", {"colour": 1}, 400),
        ("PUT", "/api/v1/services/fuel", {"access": "everybody"}, 400),
        ("PUT", "/api/v1/services/fuel", {"model_version": "fuel@1"}, 400),
        ("GET", "/api/v1/services?page_token=%FF", None, 400),
        ("GET", "/api/v1/services/nothing/page", None, 404),
        ("POST", "/api/v1/services/nothing/token", {}, 404),
        ("GET", "/api/v1/predictions/x", None, 400),
        ("GET", "/api/v1/predictions/01a1fa65-4ea1-73fe-81d5-a148ddf8e929", None, 404),
        ("DELETE", "/api/v1/services/nothing", None, 404),
        ("GET", "/api/v1/services/nothing/traffic", None, 404),
        ("GET", "/api/v1/services/nothing/rollouts", None, 404),
        ("POST", "/api/v1/services/nothing/promote", {}, 404),
        ("POST", "/api/v1/services/nothing/promote", {"to": "all"}, 400),
        ("POST", "/api/v1/services/nothing/promote", {"to": 10, "from": 1}, 400),
        ("POST", "/api/v1/services/nothing/pause", None, 404),
        ("POST", "/api/v1/services/nothing/rollback", {}, 404),
        ("PUT", "/api/v1/services/fuel", {"rollout": {"steps": []}}, 400),
        ("PUT", "/api/v1/services/fuel", {"rollout": {"steps": [50, 10]}}, 400),
        ("PUT", "/api/v1/services/fuel", {"rollout": {"steps": [10], "sticky_header": "a\r\nb"}}, 400),
        ("PUT", "/api/v1/services/fuel", {"rollout": {"steps": [10], "step": 1}}, 400),
    ],
)
def test_bad_input_is_a_4xx_with_a_message(
    client: TestClient, method: str, path: str, body: object, status: int
) -> None:
    reply = client.request(method, path, json=body)
    assert reply.status_code == status, reply.text
    assert reply.json()["message"]


def test_a_change_of_an_older_generation_is_refused(client: TestClient) -> None:
    client.put("/api/v1/services/fuel", json={})
    assert (
        client.put("/api/v1/services/fuel", json={"timeout_seconds": 5}, headers={"If-Match": '"9"'}).status_code == 409
    )


def test_a_viewer_gets_a_prediction_token_and_changes_nothing(platform: Platform, client: TestClient) -> None:
    client.put("/api/v1/services/fuel", json={})
    owner = authenticate(platform.site, local_token(platform.site))
    _, secret = create_token(platform.site, owner, person="vera", roles=frozenset({Role.VIEWER}))
    headers = {"Authorization": f"Bearer {secret}"}
    made = client.post("/api/v1/services/fuel/token", json={"ttl_seconds": 60}, headers=headers)
    assert made.status_code == 201
    assert len(made.json()["token"].split(".")) == 3
    assert client.put("/api/v1/services/fuel", json={}, headers=headers).status_code == 403
    assert client.delete("/api/v1/services/fuel", headers=headers).status_code == 403


def test_a_plan_for_rollouts_is_kept_and_a_viewer_steers_nothing(platform: Platform, client: TestClient) -> None:
    made = client.put("/api/v1/services/fuel", json={"rollout": {"steps": [10, 50, 100], "hold_seconds": 5}})
    assert made.json()["spec"]["rollout"]["steps"] == [10, 50, 100]
    assert client.get("/api/v1/services/fuel").json()["rollout"] is None
    assert client.get("/api/v1/services/fuel/rollouts").json() == {"items": []}
    assert client.get("/api/v1/services/fuel/traffic").json() == {"service": "fuel", "arms": [], "rollout": None}
    reply = client.post("/api/v1/services/fuel/promote", json={})
    assert (reply.status_code, reply.json()["message"]) == (409, "no rollout of fuel is under way")
    owner = authenticate(platform.site, local_token(platform.site))
    _, secret = create_token(platform.site, owner, person="vera", roles=frozenset({Role.VIEWER}))
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.get("/api/v1/services/fuel/traffic", headers=headers).status_code == 200
    for verb in ("promote", "pause", "resume", "rollback"):
        assert client.post(f"/api/v1/services/fuel/{verb}", json={}, headers=headers).status_code == 403


def test_a_page_needs_a_live_revision_and_its_files_are_open(client: TestClient) -> None:
    client.put("/api/v1/services/fuel", json={"form": FORM})
    reply = client.get("/api/v1/services/fuel/page")
    assert reply.status_code == 404
    assert "no live revision" in reply.json()["message"]
    script = client.get("/assets/serving/service.js", headers={"Authorization": ""})
    assert script.status_code == 200
    assert script.headers["content-type"].startswith("text/javascript")
    assert client.get("/assets/serving/render.py").status_code == 404
