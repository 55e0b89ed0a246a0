"""Every address of the dashboard is its one page; its files are for ever; what is the API's stays the API's."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from tidemill.platform import Platform
from tidemill.server import dashboard
from tidemill.server.app import create_app
from tidemill.server.dashboard import built
from tidemill.server.front_page import ADDRESSES


@pytest.fixture(scope="module")
def client(shared_platform: Platform) -> TestClient:
    """Somebody who is not signed in."""
    return TestClient(create_app(shared_platform), base_url="http://localhost", raise_server_exceptions=False)


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/0190/any", "/services/f%3Cscript%3E", "/nowhere"])
def test_each_address_is_the_page_with_a_nonce_of_its_own(client: TestClient, path: str) -> None:
    answers = [client.get(path) for _ in range(2)]
    nonces = [re.findall(r'name="csp-nonce" content="([^"]+)"', answer.text) for answer in answers]
    assert len(nonces[0]) == len(nonces[1]) == 1
    assert nonces[0] != nonces[1]
    policy = answers[0].headers["content-security-policy"]
    assert f"'nonce-{nonces[0][0]}'" in policy
    assert "script-src 'self';" in policy
    assert "<script>" not in answers[0].text


def test_its_files_may_be_kept_and_nothing_else_is_given_out(client: TestClient) -> None:
    (script,) = re.findall(r'src="(/dashboard/[^"]+\.js)"', client.get("/").text)
    answer = client.get(script)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert client.get("/favicon.svg").headers["content-type"] == "image/svg+xml"
    for path in ("/dashboard/none.js", "/dashboard/..%2Fdigest", "/dashboard/.hidden.js", "/dashboard/digest"):
        assert client.get(path).status_code == 404, path


def test_an_address_of_the_api_that_is_not_there_is_a_404_of_the_api(client: TestClient) -> None:
    for path in ("/api/v1/nothing", "/api/nothing", "/serving/a/b", "/apis/x"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found"), path


def test_a_tree_without_the_built_files_has_a_plain_page(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "built", lambda: built() / "nowhere")
    page = client.get("/").text
    for path, _ in ADDRESSES:
        assert path in page
