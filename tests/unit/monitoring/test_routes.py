"""The routes of monitoring: what a page draws, page by page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.testclient import TestClient
from tests.conftest import people_of
from tests.unit.monitoring.test_windows import SOURCE
from tests.unit.monitoring.traffic import START, Stage, open_stage

from tidemill.access import local_token
from tidemill.monitoring.windows.advance import advance_windows
from tidemill.monitoring.windows.compute import compute
from tidemill.platform import Platform
from tidemill.server.app import create_app


@pytest.fixture
def stage(platform: Platform) -> Stage:
    """A service with three windows, and a fourth of three rows."""
    site = platform.site
    made = open_stage(site, people_of(site))
    for hour, count in enumerate((60, 60, 60, 3)):
        made.send(made.cars(count), START - timedelta(days=3650) + hour * timedelta(hours=1))
    advance_windows(site, source=SOURCE, compute=compute)
    return made


@pytest.fixture
def client(platform: Platform) -> TestClient:
    """A client with the token of the home."""
    made = TestClient(create_app(platform), base_url="http://localhost")
    made.headers["Authorization"] = f"Bearer {local_token(platform.site)}"
    return made


def test_windows_come_newest_first_with_what_is_to_be_drawn(stage: Stage, client: TestClient) -> None:
    found = client.get("/api/v1/services/fuel/monitoring").json()
    assert [each["rows"] for each in found["windows"]] == [3, 60, 60, 60]
    assert found["windows"][0]["note"] == "not enough rows: 3 of 50"
    weight = found["windows"][1]["columns"][0]
    assert (weight["name"], len(weight["edges"]), len(weight["counts"])) == ("weight", 11, 10)
    assert (found["rules"]["window_seconds"], found["problem"], found["next_page_token"]) == (3600, "", None)
    window = client.get(f"/api/v1/windows/{found['windows'][1]['id']}").json()
    assert window == found["windows"][1]


def test_windows_come_page_by_page(stage: Stage, client: TestClient) -> None:
    seen, token = [], None
    for _ in range(4):
        page = client.get(
            "/api/v1/services/fuel/monitoring", params={"page_size": 1, **({"page_token": token} if token else {})}
        ).json()
        seen += [each["start"] for each in page["windows"]]
        token = page["next_page_token"]
    assert token is None
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 4


@pytest.mark.parametrize(
    "path",
    ["/services/no/monitoring", "/windows/x", "/windows/%00", "/services/fuel/monitoring?page_token=MTp4"],
)
def test_what_is_not_there_is_told(stage: Stage, client: TestClient, path: str) -> None:
    reply = client.get(f"/api/v1{path}")
    assert reply.status_code in (400, 404)
    assert reply.json()["message"]
