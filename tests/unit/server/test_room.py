"""While the disk of the home is full the site reads, stops and decides, and refuses what needs room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from starlette.testclient import TestClient

from tidemill.access import local_token
from tidemill.base.ballast import RELEASE_BYTES, Ballast
from tidemill.platform import Platform
from tidemill.server.app import OPEN_PATHS, create_app
from tidemill.server.room import NEEDS_NO_ROOM, NEEDS_ROOM


class Usage(NamedTuple):
    """What the system says is free."""

    free: int


@pytest.fixture
def platform(tmp_path: Path, migrated_database: Path) -> Iterator[Platform]:
    """A platform on a home of its own, with a ballast."""
    made = Platform(home=tmp_path / "home", flags={"free_space_floor_bytes": 0})
    shutil.copyfile(migrated_database, made.home.database)
    assert made.site.home.ballast.stat().st_size > RELEASE_BYTES
    yield made
    made.site.database.close()


@pytest.fixture
def client(platform: Platform) -> TestClient:
    """A client with the owner's token."""
    made = TestClient(create_app(platform), base_url="http://localhost", raise_server_exceptions=False)
    made.headers["Authorization"] = f"Bearer {local_token(platform.site)}"
    return made


@pytest.fixture
def full(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The disk was full, and still is as good as full; undone, it has room."""
    local_token(platform.site)
    os.truncate(platform.home.ballast, 4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(free=RELEASE_BYTES))
    return monkeypatch


def _described(client: TestClient) -> list[tuple[str, str]]:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    described = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    return [(method, path.removeprefix("/api/v1")) for method, path in described if path not in OPEN_PATHS]


@pytest.mark.usefixtures("full")
def test_every_route_that_needs_room_is_refused_and_no_other(client: TestClient) -> None:
    refused = {"POST": 0, "PUT": 0}
    for method, path in _described(client):
        body = {"spec": "x"} if path == "/runs" else {}
        answer = client.request(method, "/api/v1" + path.replace("{", "").replace("}", ""), json=body)
        if method not in NEEDS_ROOM or (method, path) in NEEDS_NO_ROOM:
            assert answer.status_code != 507, (method, path)
        elif answer.status_code != 400:  # a body that is none of the route is told first
            assert answer.status_code == 507, (method, path, answer.text)
            refused[method] += 1
    assert all(refused.values()), refused


def test_what_needs_no_room_are_routes_that_exist(client: TestClient) -> None:
    assert set(_described(client)) >= NEEDS_NO_ROOM


@pytest.mark.usefixtures("full")
def test_the_refusal_has_a_place_and_a_remedy_and_is_for_people_of_the_site_only(
    client: TestClient, platform: Platform
) -> None:
    answer = client.post("/api/v1/runs", json={"spec": "x"})
    assert answer.status_code == 507
    told = answer.json()
    assert told["error"] == "storage_full"
    assert told["place"] == str(platform.home.path)
    assert "without a restart" in told["remedy"]
    assert client.post("/api/v1/runs", json={"spec": "x"}, headers={"Authorization": "Bearer no"}).status_code == 401


def test_health_says_so_without_a_path_and_work_is_taken_again_when_there_is_room(
    client: TestClient, platform: Platform, full: pytest.MonkeyPatch
) -> None:
    told = client.get("/api/v1/healthz", headers={"Authorization": ""}).json()
    assert told["storage"] == "full"
    assert "the disk is full" in told["message"]
    assert str(platform.home.path) not in str(told)
    full.undo()
    assert client.post("/api/v1/runs", json={"spec": "x"}).status_code == 400, "the spec itself is looked at again"
    assert Ballast(home=platform.home).look().held_bytes == platform.settings.number("ballast_bytes")
    assert client.get("/api/v1/healthz").json() == {"status": "ok", "version": told["version"], "storage": "ok"}
