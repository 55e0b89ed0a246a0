"""Who listens hears what happens in its namespace, from where it left off, and only while it may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tidemill.access import Actor, local_token
from tidemill.base.errors import Unauthenticated
from tidemill.base.events import append_event
from tidemill.base.site import Site
from tidemill.platform import Platform
from tidemill.server import event_stream, processes
from tidemill.server.app import create_app
from tidemill.server.event_stream import Listener
from tidemill.server.processes import Watch

NAMESPACE = "namespace-1"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for a look that comes four times a second."""
    monkeypatch.setattr(event_stream, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(processes, "FRESH_SECONDS", 0.0)


def _happens(site: Site, kind: str, namespace: str = NAMESPACE) -> None:
    with site.database.write() as connection:
        append_event(
            connection, site.clock, namespace_id=namespace, kind=kind, subject_id="x", data={}, created_by="ada"
        )


def _may() -> Any:
    return None


async def _next(told: AsyncIterator[str], kind: str) -> Any:
    """The data of the next message of a kind."""
    async with asyncio.timeout(20):
        async for text in told:
            for message in text.split("\n\n"):
                fields = dict(line.split(": ", 1) for line in message.splitlines() if ": " in line)
                if fields.get("event") == kind:
                    return json.loads(fields["data"])
    raise AssertionError("the stream has ended")


def test_a_listener_hears_what_happens_from_now_on_in_its_namespace(site: Site) -> None:
    async def story() -> None:
        _happens(site, "run.submitted")
        told = Listener(site, Watch(site), NAMESPACE, None).told(_may, lambda: False)
        assert await _next(told, "processes") == []
        _happens(site, "run.secret", "namespace-2")
        _happens(site, "run.finished")
        assert (await _next(told, "site"))["kind"] == "run.finished"

    asyncio.run(story())


def test_one_that_comes_back_hears_what_it_missed(site: Site) -> None:
    async def story() -> None:
        for kind in ("run.submitted", "task.succeeded", "run.finished"):
            _happens(site, kind)
        told = Listener(site, Watch(site), NAMESPACE, 2).told(_may, lambda: False)
        heard = await _next(told, "site")
        assert (heard["number"], heard["kind"]) == (3, "run.finished")

    asyncio.run(story())


def test_the_processes_are_told_when_they_change(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    states = [[{"name": "worker", "state": "RUNNING"}]]
    monkeypatch.setattr(processes, "processes_of", lambda _home: states[-1])

    async def story() -> None:
        told = Listener(site, Watch(site), NAMESPACE, None).told(_may, lambda: False)
        assert (await _next(told, "processes"))[0]["state"] == "RUNNING"
        states.append([{"name": "worker", "state": "WAITING"}])
        assert (await _next(told, "processes"))[0]["state"] == "WAITING"

    asyncio.run(story())


def test_the_stream_ends_with_the_site_and_with_the_token(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "TOKEN_SECONDS", 0.0)

    def revoked() -> Actor:
        raise Unauthenticated("this token was revoked")

    async def heard(**ends: Any) -> list[str]:
        async with asyncio.timeout(20):
            return [text async for text in Listener(site, Watch(site), NAMESPACE, None).told(**ends)]

    assert asyncio.run(heard(still_may=_may, is_ending=lambda: True)) == ["retry: 1000\n\n"]
    assert asyncio.run(heard(still_may=revoked, is_ending=lambda: False))[0] == "retry: 1000\n\n"


def test_events_are_listed_by_number_and_kind(platform: Platform) -> None:
    from starlette.testclient import TestClient

    client = TestClient(create_app(platform), base_url="http://localhost")
    owner = {"Authorization": f"Bearer {local_token(platform.site)}"}
    namespace = client.get("/api/v1/whoami", headers=owner).json()["namespace_id"]
    for kind in ("run.submitted", "run.finished"):
        _happens(platform.site, kind, namespace)
    found = client.get("/api/v1/events", params={"kind": "run.finished"}, headers=owner).json()
    assert [event["kind"] for event in found] == ["run.finished"]
    assert client.get("/api/v1/events", params={"after": found[0]["number"]}, headers=owner).json() == []
    assert client.get("/api/v1/processes", headers=owner).json() == []
    assert client.get("/api/v1/events/stream").status_code == 401


@pytest.mark.parametrize("asked", ["²", "-1", "x", "9" * 30])
def test_a_last_event_that_is_no_number_is_as_none(
    platform: Platform, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from starlette.testclient import TestClient

    app = create_app(platform)
    monkeypatch.setattr(app.state, "is_ending", lambda: True)
    client = TestClient(app, base_url="http://localhost")
    token = local_token(platform.site).encode()
    headers = {b"Authorization": b"Bearer " + token, b"Last-Event-ID": asked.encode("latin-1")}
    assert client.get("/api/v1/events/stream", headers=headers).status_code == 200
