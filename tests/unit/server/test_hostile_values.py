"""Values that nobody means, in every parameter of each route: refused, or not found; never a mistake of the site."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from tidemill.access import local_token
from tidemill.platform import Platform
from tidemill.server.app import create_app

VALUES = (
    "99999999999999999999999",  # more than a database's integer
    "a\x00b",
    "<script>alert(1)</script>",
    "\u202egnp.exe",
    "ffffffff-ffff-7fff-bfff-ffffffffffff",  # a time after the last of the calendar
    base64.urlsafe_b64encode(b"99999999999999999999").decode(),
)


Route = tuple[str, str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def client(shared_platform: Platform) -> TestClient:
    """A client with the token of the home's owner; nothing here changes the site."""
    headers = {"Authorization": f"Bearer {local_token(shared_platform.site)}"}
    app = create_app(shared_platform)
    return TestClient(app, base_url="http://localhost", headers=headers, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def described(client: TestClient) -> list[Route]:
    """Method, path and parameters of every route."""
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    return [
        (method, path, about.get("parameters", []))
        for path, methods in paths.items()
        for method, about in methods.items()
    ]


@pytest.mark.parametrize("value", VALUES)
def test_no_value_in_a_path_or_a_query_is_a_mistake_of_the_site(
    client: TestClient, described: list[Route], value: str
) -> None:
    asked, mistakes = 0, []
    for method, path, parameters in described:
        in_path = [each["name"] for each in parameters if each["in"] == "path"]
        in_query = [each["name"] for each in parameters if each["in"] == "query"]
        target = path
        for name in in_path:
            target = target.replace(f"{{{name}}}", quote(value, safe=""))
        for query in ({}, *({name: value} for name in in_query)) if method == "get" else ({},) if in_path else ():
            answer = client.request(method, target, params=query, json=None if method == "get" else {})
            asked += 1
            if answer.status_code >= 500:
                mistakes.append((method, path, query))
    assert not mistakes
    assert asked > 50


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("put", "/services/fuel", r'{"form": {"title": "\ud800"}}'),
        ("put", "/services/fuel", r'{"model": "\ud800"}'),
        ("put", "/services/fuel", r'{"form": {"fields": [{"column": "a", "label": "\u001b[31m"}]}}'),
        ("put", "/services/fuel", r'{"\ud800": 1}'),
        ("put", "/services/fuel", '{"rollout": {"hold_requests": 1%s}}' % ("0" * 400)),
        ("post", "/reviews", r'{"model_version_id": "x", "service": "x", "policy": {"\ud800": 1}}'),
        ("post", "/tokens", '{"person": "ada", "roles": ["viewer"], "valid_for_seconds": 1%s}' % ("0" * 30)),
    ],
)
def test_what_is_no_text_and_no_number_is_refused_and_stays_nowhere(
    client: TestClient, method: str, path: str, body: str
) -> None:
    answer = client.request(
        method, f"/api/v1{path}", content=body.encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 404), answer.text
    assert client.get("/api/v1/services").json()["items"] == []
