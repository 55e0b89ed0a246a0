"""The routes of triggers: who may call them, what they answer, and a hundred callers at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.unit.triggers.conftest import FakeApproved

from tidemill.access import Role, create_token, local_token
from tidemill.platform import Platform
from tidemill.server import app, mounts
from tidemill.server.app import create_app

PROJECT = {
    "project": {"name": "fuel", "notebook": "fuel.ipynb"},
    "model": {"name": "fuel", "output": "train.model", "sample": "features.X"},
    "service": {"name": "fuel"},
    "triggers": {
        "nightly": {"on": "cron", "cron": "30 2 * * *", "zone": "Europe/Berlin", "then": "nothing"},
        "anybody": {"on": "http", "concurrency": "allow"},
        "drift": {"on": "alert", "alert_kind": "drift", "cooldown_seconds": 3600},
    },
}


@pytest.fixture
def client(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The owner's client on a site where the pipeline is approved and the project applied."""
    return client_of(platform, monkeypatch)


@pytest.fixture(scope="module")
def refused(shared_platform: Platform) -> TestClient:
    """The same for all who get nothing done with it."""
    with pytest.MonkeyPatch.context() as patch:
        return client_of(shared_platform, patch)


def client_of(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    approved = FakeApproved(spec_digest="sha256:1", run_id="run", parameters={})
    for module in (mounts, app):
        monkeypatch.setattr(module, "approved_pipeline", lambda *_: approved)
    headers = {"Authorization": f"Bearer {local_token(platform.site)}"}
    made = TestClient(create_app(platform), base_url="http://localhost", headers=headers)
    assert made.put("/api/v1/projects/fuel", json={"document": PROJECT}).status_code == 200
    return made


def with_role(platform: Platform, role: Role) -> dict[str, str]:
    _, secret = create_token(platform.site, platform.actor, person=role.value, roles=frozenset({role}))
    return {"Authorization": f"Bearer {secret}"}


def test_triggers_are_listed_shown_foreseen_paused_fired_and_remembered(client: TestClient) -> None:
    listed = client.get("/api/v1/triggers").json()["items"]
    assert [each["name"] for each in listed] == ["anybody", "drift", "nightly"]
    shown = client.get("/api/v1/triggers/nightly").json()
    assert shown["settings"] == {"cron": "30 2 * * *", "zone": "Europe/Berlin"}
    assert (shown["then"], shown["source"], shown["environment"]) == (
        "nothing",
        "project fuel, generation 1",
        "production",
    )
    foreseen = client.get("/api/v1/triggers/nightly/preview?count=3").json()
    assert len(foreseen["times"]) == 3
    assert all("T02:30:00+0" in time or "T03:30:00+02:00" in time for time in foreseen["times"])
    assert foreseen["refusal"] == "there is no pipeline spec of this digest"
    assert client.post("/api/v1/triggers/nightly/pause").json()["paused_by"] is not None
    assert client.post("/api/v1/triggers/nightly/fire").status_code == 409
    assert client.post("/api/v1/triggers/nightly/resume").json()["paused_by"] is None
    fired = client.post("/api/v1/triggers/fuel.nightly/fire", json={"note": "by hand"})
    assert (fired.status_code, fired.json()["state"]) == (201, "waiting")
    firing = fired.json()
    assert client.get(f"/api/v1/firings/{firing['id']}").json() == firing
    assert client.get("/api/v1/triggers/nightly/firings").json()["items"] == [firing]


def test_a_hundred_requests_at_once_with_one_key_are_one_firing(client: TestClient, platform: Platform) -> None:
    headers = with_role(platform, Role.TRIGGER)
    ready, answers = threading.Barrier(100), []

    def ask() -> None:
        ready.wait()
        answers.append(client.post("/api/v1/triggers/anybody/fire", json={"key": "build 7"}, headers=headers))

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(client.get("/api/v1/triggers/anybody/firings").json()["items"]) == 1


def test_an_idempotency_key_is_a_key(client: TestClient, platform: Platform) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = client.post("/api/v1/triggers/anybody/fire", headers=headers).json()
    other = {**headers, **with_role(platform, Role.TRIGGER)}
    assert client.post("/api/v1/triggers/anybody/fire", headers=headers).json() == first
    assert len(client.get("/api/v1/triggers/anybody/firings").json()["items"]) == 1
    assert client.post("/api/v1/triggers/anybody/fire", headers=other).status_code == 409


def test_a_token_for_triggers_fires_and_does_nothing_else(client: TestClient, platform: Platform) -> None:
    headers = with_role(platform, Role.TRIGGER)
    assert client.post("/api/v1/triggers/anybody/fire", headers=headers).status_code == 201
    for method, path in (
        ("GET", "/triggers"),
        ("GET", "/triggers/anybody"),
        ("POST", "/triggers/anybody/pause"),
        ("POST", "/triggers/anybody/secret"),
        ("GET", "/runs"),
        ("POST", "/runs"),
        ("GET", "/whoami"),
    ):
        assert client.request(method, f"/api/v1{path}", headers=headers, json={"spec": "x"}).status_code == 403, path


def test_who_may_do_what(client: TestClient, platform: Platform) -> None:
    wanted = {Role.VIEWER: (403, 403, 200), Role.APPROVER: (403, 403, 200), Role.CONTRIBUTOR: (201, 200, 200)}
    for role, statuses in wanted.items():
        headers = with_role(platform, role)
        found = (
            client.post("/api/v1/triggers/anybody/fire", headers=headers).status_code,
            client.post("/api/v1/triggers/anybody/pause", headers=headers).status_code,
            client.get("/api/v1/triggers/anybody/preview", headers=headers).status_code,
        )
        assert found == statuses, role


def test_a_trigger_of_another_namespace_is_not_there(client: TestClient, platform: Platform) -> None:
    _, secret = create_token(
        platform.site, platform.actor, person="eve", roles=frozenset({Role.OWNER}), namespace="others"
    )
    headers = {"Authorization": f"Bearer {secret}"}
    firing = client.post("/api/v1/triggers/anybody/fire").json()
    assert client.get("/api/v1/triggers", headers=headers).json()["items"] == []
    for method, path in (
        ("GET", "/triggers/anybody"),
        ("POST", "/triggers/anybody/fire"),
        ("POST", "/triggers/fuel.anybody/pause"),
        ("POST", "/triggers/anybody/secret"),
        ("GET", "/triggers/anybody/firings"),
        ("GET", f"/firings/{firing['id']}"),
    ):
        assert client.request(method, f"/api/v1{path}", headers=headers).status_code == 404, path


def test_a_webhook_needs_no_token_and_its_own_key_is_no_idempotency_key(client: TestClient) -> None:
    told = client.post("/api/v1/triggers/anybody/secret").json()
    stranger = {"Authorization": "", "X-Gitlab-Token": told["secret"], "Idempotency-Key": "delivery-1"}
    first = client.post(told["path"], json={"ref": "refs/heads/main"}, headers=stranger)
    assert (first.status_code, first.json()["firing"]["cause"]) == (202, {"ref": "refs/heads/main"})
    again = client.post(told["path"], json={"ref": "refs/heads/main"}, headers=stranger)
    assert again.json() == first.json()
    refused = client.post(told["path"], json={}, headers={"Authorization": "", "X-Gitlab-Token": "no"})
    assert refused.status_code == 401
    assert client.post(told["path"], content=b"x" * (6 << 20), headers=stranger).status_code == 413


@pytest.mark.parametrize("name", ["no", "'; DROP TABLE trigger; --", "<img src=x>", "..%2f..", "a" * 3000, "é\u202e"])
def test_a_hostile_name_is_not_found(refused: TestClient, name: str) -> None:
    for answer in (refused.get(f"/api/v1/triggers/{name}"), refused.post(f"/api/v1/triggers/{name}/fire")):
        assert answer.status_code in (404, 405), answer.text


@pytest.mark.parametrize("body", [{"key": ""}, {"key": "a\nb"}, {"note": "\x1b[31m"}, {"key": 3}, {"more": 1}, []])
def test_a_body_that_cannot_be_is_refused(refused: TestClient, body: Any) -> None:
    assert refused.post("/api/v1/triggers/anybody/fire", json=body).status_code == 400
