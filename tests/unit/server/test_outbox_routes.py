"""The outbox over the API and in `doctor`: what was given up is seen, tried again and dropped, by who may."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tidemill.access import Role, authenticate, create_token, local_token
from tidemill.base.outbox import Effect, Postman, Topic, Undeliverable, enqueue
from tidemill.cli.doctor import examine
from tidemill.platform import Platform
from tidemill.server.app import create_app

HOSTILE = "<script>alert(1)</script>\n" + "x" * 10_000


@pytest.fixture
def client(platform: Platform) -> TestClient:
    """A client without a token."""
    return TestClient(create_app(platform), base_url="http://localhost")


@pytest.fixture
def owner(platform: Platform) -> dict[str, str]:
    """The owner's header."""
    return {"Authorization": f"Bearer {local_token(platform.site)}"}


def _give_up(platform: Platform, many: int = 1) -> None:
    site = platform.site

    def refuse(*_: object) -> None:
        raise Undeliverable(HOSTILE)

    with site.database.write() as connection:
        for number in range(many):
            effect = Effect(
                namespace_id=authenticate(site, local_token(site)).namespace_id,
                topic="post",
                lane=str(number),
                idempotency_key=f"k{number}",
                payload={"secret": "s3cret"},
                created_by="olga",
            )
            enqueue(connection, site.clock, site.ids, effect)
    assert Postman(Topic(name="post", deliver=refuse)).deliver(site) == 0


def _doctor(platform: Platform) -> Any:
    return next(finding for finding in examine(platform) if finding.what == "outbox")


def test_what_was_given_up_is_named_by_doctor_until_it_is_dropped(
    platform: Platform, client: TestClient, owner: dict[str, str]
) -> None:
    assert _doctor(platform).is_good
    _give_up(platform)
    found = _doctor(platform)
    assert not found.is_good
    assert "1 not delivered, the last to post: <script>" in found.detail
    assert len(found.detail) < 300
    assert "outbox retry" in found.remedy
    page = client.get("/api/v1/outbox", headers=owner)
    (effect,) = page.json()["items"]
    assert effect["state"] == "dead"
    assert "s3cret" not in page.text
    assert client.delete(f"/api/v1/outbox/{effect['id']}", headers=owner).status_code == 204
    assert _doctor(platform).is_good


def test_a_viewer_sees_the_outbox_and_changes_nothing(
    platform: Platform, client: TestClient, owner: dict[str, str]
) -> None:
    _give_up(platform)
    site = platform.site
    _, secret = create_token(site, authenticate(site, local_token(site)), person="vera", roles=frozenset({Role.VIEWER}))
    viewer = {"Authorization": f"Bearer {secret}"}
    (effect,) = client.get("/api/v1/outbox", headers=viewer).json()["items"]
    for ask in (
        client.post(f"/api/v1/outbox/{effect['id']}/retry", headers=viewer),
        client.delete(f"/api/v1/outbox/{effect['id']}", headers=viewer),
    ):
        assert ask.status_code == 403
    again = client.post(f"/api/v1/outbox/{effect['id']}/retry", headers=owner)
    assert (again.status_code, again.json()["state"]) == (200, "waiting")


def test_a_long_outbox_comes_in_pages(platform: Platform, client: TestClient, owner: dict[str, str]) -> None:
    _give_up(platform, many=5)
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        params = {"page_size": "2", **({"page_token": token} if token else {})}
        page = client.get("/api/v1/outbox", params=params, headers=owner).json()
        seen += [item["idempotency_key"] for item in page["items"]]
        token = page["next_page_token"]
    assert seen == ["k4", "k3", "k2", "k1", "k0"]
    assert client.get("/api/v1/outbox", params={"page_token": "MTp4"}, headers=owner).status_code == 400
