"""The routes of monitoring: what a page draws, page by page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.testclient import TestClient
from tests.conftest import people_of
from tests.unit.monitoring.test_windows import SOURCE
from tests.unit.monitoring.traffic import START, Stage, an_alert, open_stage

from tidemill.access import local_token
from tidemill.monitoring.advance import advance_windows
from tidemill.monitoring.alerts import store
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


def test_an_alert_is_listed_shown_acknowledged_and_silenced(stage: Stage, client: TestClient) -> None:
    alert = an_alert(stage)
    with stage.site.database.write() as connection:
        store.insert_alert(connection, alert)
    assert [each["id"] for each in client.get("/api/v1/services/fuel/monitoring").json()["alerts"]] == [alert.id]
    assert [each["feature"] for each in client.get("/api/v1/alerts").json()["items"]] == ["weight"]
    assert client.get("/api/v1/alerts?state=resolved").json()["items"] == []
    assert client.post(f"/api/v1/alerts/{alert.id}/acknowledge").json()["acknowledged_by"]
    until = (stage.site.clock.now() + timedelta(hours=1)).isoformat()
    assert client.post(f"/api/v1/alerts/{alert.id}/silence", json={"until": until}).json()["silenced_by"]
    assert client.post(f"/api/v1/alerts/{alert.id}/silence", json={"until": None}).json()["silenced_by"] is None
    assert client.post(f"/api/v1/alerts/{alert.id}/silence", json={"until": "soon"}).status_code == 400
    assert client.get("/api/v1/alerts/x").status_code == 404


def test_truth_is_taken_in_batches_and_what_is_none_is_refused(stage: Stage, client: TestClient) -> None:
    (known,) = stage.send(stage.cars(1), START - timedelta(days=3650))
    items = [{"prediction_id": "gone", "value": 1.5}, {"prediction_id": known, "value": 20}]
    done = client.post("/api/v1/services/fuel/truth", json={"items": items}).json()
    assert (done["received"], done["new"], done["unknown"], done["unknown_names"]) == (2, 1, 1, ["gone"])
    (kept,) = client.get("/api/v1/services/fuel/truth").json()["items"]
    assert kept == done
    truth = client.get("/api/v1/services/fuel/monitoring").json()["truth"]
    assert truth == {"rows": 1, "corrections": 0, "unknown": 1}
    for wrong in ({"value": 1}, {"value": None, "key": "a"}, {"value": [1], "key": "a"}, {"key": "a"}):
        assert client.post("/api/v1/services/fuel/truth", json={"items": [wrong]}).status_code == 400
    nan = '{"items": [{"prediction_id": "x", "value": NaN}]}'
    assert client.post("/api/v1/services/fuel/truth", content=nan).status_code == 400
