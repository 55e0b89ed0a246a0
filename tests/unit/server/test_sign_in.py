"""The browser's way in: a link sets a closed cookie, which then counts as the person's token."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tidemill.access import local_token
from tidemill.platform import Platform
from tidemill.server.app import create_app


@pytest.fixture(scope="module")
def app(shared_platform: Platform) -> FastAPI:
    """The app of one site for all browsers here: each has a code of its own."""
    return create_app(shared_platform)


@pytest.fixture
def browser(app: FastAPI, shared_platform: Platform) -> tuple[TestClient, str]:
    """A browser without a session, and a code of the home's owner."""
    client = TestClient(app, base_url="http://localhost", follow_redirects=False)
    owner = {"Authorization": f"Bearer {local_token(shared_platform.site)}"}
    return client, client.post("/api/v1/sign-in-codes", headers=owner).json()["code"]


def test_a_link_signs_the_browser_in(browser: tuple[TestClient, str]) -> None:
    client, code = browser
    assert client.get("/api/v1/whoami").status_code == 401
    answer = client.get("/sign-in", params={"code": code, "then": "/api/v1/whoami"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/api/v1/whoami")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/api/v1/whoami").json()["roles"] == ["owner"]


def test_a_used_link_signs_nobody_in(browser: tuple[TestClient, str]) -> None:
    client, code = browser
    client.get("/sign-in", params={"code": code})
    client.cookies.clear()
    assert client.get("/sign-in", params={"code": code}).status_code == 401
    assert client.get("/api/v1/whoami").status_code == 401


@pytest.mark.parametrize("then", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", ""])
def test_a_link_never_leads_away(browser: tuple[TestClient, str], then: str) -> None:
    client, code = browser
    assert client.get("/sign-in", params={"code": code, "then": then}).status_code == 400
    assert client.get("/sign-in", params={"code": code}).status_code == 303, "the refused link must not use the code up"


@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
def test_another_sites_page_cannot_use_the_session(browser: tuple[TestClient, str], method: str) -> None:
    client, code = browser
    client.get("/sign-in", params={"code": code})
    answer = client.request(method, "/api/v1/tokens", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
