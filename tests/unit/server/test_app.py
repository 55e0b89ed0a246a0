"""The app: closed by default, errors in one shape, one answer per idempotency key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from tidemill.access import local_token
from tidemill.access.guard import Guard
from tidemill.base.canonical import canonical_json
from tidemill.engine.testing import Step, pipeline_of
from tidemill.platform import Platform
from tidemill.server.app import OPEN_PATHS, create_app
from tidemill.server.front_page import ADDRESSES, front_page


@pytest.fixture
def client(platform: Platform) -> TestClient:
    """A client without a token."""
    return TestClient(create_app(platform), base_url="http://localhost", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def asker(shared_platform: Platform) -> TestClient:
    """Who is refused, or only looks: at one site with all such tests."""
    return TestClient(create_app(shared_platform), base_url="http://localhost", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def its_owner(shared_platform: Platform) -> dict[str, str]:
    """The header of the owner of the home that is looked at."""
    return {"Authorization": f"Bearer {local_token(shared_platform.site)}"}


@pytest.fixture
def owner(platform: Platform) -> dict[str, str]:
    """The header of the home's owner."""
    return {"Authorization": f"Bearer {local_token(platform.site)}"}


def _guards(dependant: Any) -> list[Guard]:
    found = [dependant.call] if isinstance(dependant.call, Guard) else []
    for inner in dependant.dependencies:
        found += _guards(inner)
    return found


def _all_routes(routes: list[BaseRoute]) -> list[BaseRoute]:
    found: list[BaseRoute] = []
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        found += _all_routes(list(inner)) if inner else [route]
    return found


def test_every_route_asks_for_a_permission_but_the_open_list(platform: Platform) -> None:
    routes = _all_routes(list(create_app(platform).routes))
    assert len(routes) > 5
    for route in routes:
        path = getattr(route, "path", None)
        if path in OPEN_PATHS:
            continue
        assert isinstance(route, APIRoute), route
        assert _guards(route.dependant), f"{path} has no guard"


def test_without_a_token_every_described_route_answers_401(asker: TestClient, its_owner: dict[str, str]) -> None:
    description = asker.get("/api/v1/openapi.json", headers=its_owner).json()
    asked = 0
    for path, methods in description["paths"].items():
        for method in methods:
            if path in OPEN_PATHS:
                continue
            target = path.replace("{", "").replace("}", "")
            response = asker.request(method, target, json={})
            assert response.status_code == 401, (method, path, response.text)
            asked += 1
    assert asked > 3


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer wrong"])
def test_a_wrong_token_is_refused_with_a_remedy(asker: TestClient, header: str) -> None:
    response = asker.get("/api/v1/whoami", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["remedy"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH", "PUT"])
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil", "", "[", "a" * 300])
def test_a_foreign_host_is_refused_whatever_the_method(
    asker: TestClient, its_owner: dict[str, str], method: str, host: str
) -> None:
    response = asker.request(method, "/api/v1/tokens", headers={**its_owner, "Host": host})
    assert response.status_code == 400
    assert response.json()["place"] == "header Host"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "https://evil.localhost"])
def test_a_page_of_another_site_is_refused(asker: TestClient, its_owner: dict[str, str], origin: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        response = asker.request(method, "/api/v1/tokens", headers={**its_owner, "Origin": origin}, json={})
        assert response.status_code == 403, method


def test_our_own_page_may_send(asker: TestClient, its_owner: dict[str, str]) -> None:
    response = asker.get("/api/v1/whoami", headers={**its_owner, "Origin": "http://localhost"})
    assert response.status_code == 200


def test_an_idempotency_key_is_answered_once(client: TestClient, owner: dict[str, str]) -> None:
    headers = {**owner, "Idempotency-Key": "k1"}
    body = {"spec": canonical_json(pipeline_of(Step(name="only")).raw).decode()}
    first = client.post("/api/v1/runs", json=body, headers=headers)
    second = client.post("/api/v1/runs", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["idempotent-replay"] == "true"
    assert len(client.get("/api/v1/runs", headers=owner).json()["items"]) == 1


def test_a_secret_is_told_once_and_kept_nowhere(client: TestClient, owner: dict[str, str], platform: Platform) -> None:
    headers = {**owner, "Idempotency-Key": "k1"}
    body = {"person": "ada", "roles": ["viewer"]}
    first = client.post("/api/v1/tokens", json=body, headers=headers)
    second = client.post("/api/v1/tokens", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 409)
    assert "held a secret" in second.json()["message"]
    assert len(client.get("/api/v1/tokens", headers=owner).json()) == 2
    code = client.post("/api/v1/sign-in-codes", headers={**owner, "Idempotency-Key": "k2"}).json()["code"]
    platform.site.database.close()
    for file in platform.home_path.rglob("state.db*"):
        content = file.read_bytes()
        assert first.json()["secret"].encode() not in content
        assert code.encode() not in content


def test_an_idempotency_key_of_another_request_is_a_conflict(client: TestClient, owner: dict[str, str]) -> None:
    headers = {**owner, "Idempotency-Key": "k1"}
    client.post("/api/v1/tokens", json={"person": "ada", "roles": ["viewer"]}, headers=headers)
    response = client.post("/api/v1/tokens", json={"person": "eve", "roles": ["owner"]}, headers=headers)
    assert response.status_code == 409


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '{"person": 1}', json.dumps({"person": "x", "roles": ["king"]}), '{"person": "x"}']
)
def test_a_malformed_body_is_a_400_that_says_where(asker: TestClient, its_owner: dict[str, str], body: str) -> None:
    response = asker.post("/api/v1/tokens", content=body, headers={**its_owner, "Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["place"].startswith("body")


def test_what_is_not_there_is_a_404_in_the_same_shape(asker: TestClient, its_owner: dict[str, str]) -> None:
    response = asker.get("/api/v1/nothing", headers=its_owner)
    assert response.status_code == 404
    assert set(response.json()) == {"error", "message", "place", "remedy"}


def test_answers_carry_the_headers_that_close_the_browser(asker: TestClient) -> None:
    response = asker.get("/")
    assert response.status_code == 200
    assert "unsafe-inline" not in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_front_page_names_only_addresses_that_are_there(asker: TestClient, its_owner: dict[str, str]) -> None:
    known = set(asker.get("/api/v1/openapi.json", headers=its_owner).json()["paths"])
    known |= {"/api/v1", "/serving/NAMESPACE/SERVICE/v1 and /v2"}  # all routes together; the gateway's
    page = front_page()
    for address, _ in ADDRESSES:
        assert address in page
        assert address.replace("SERVICE/page", "{name}/page") in known, address
