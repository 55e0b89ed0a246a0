"""A service that answers although its live pointer does not prove: every command that tells its state says so."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tidemill.base.errors import Unavailable
from tidemill.cli import service_commands, up_commands
from tidemill.cli.service_commands import listing, show

MESSAGE = "not proven since 2030-01-01T00:00:00Z: the pointer lies; what was proven last answers on"


def _service(reason: str, *, ready: bool = True) -> dict[str, Any]:
    return {
        "name": "fuel",
        "spec": {"environment": "production"},
        "ready": ready,
        "degraded": ready and reason == "NotProven",
        "reason": reason,
        "message": MESSAGE,
        "path": "/serving/default/fuel",
        "updated_at": "2030-01-01T00:00:00Z",
        "revisions": [],
        "rollout": None,
    }


class Connection:
    """Tells of one service; None is no answer."""

    public_url = "http://h"

    def __init__(self, service: dict[str, Any] | None) -> None:
        self._service = service

    def get(self, _route: str) -> dict[str, Any]:
        assert self._service is not None
        return self._service

    def pages(self, _route: str, **_asked: object) -> list[dict[str, Any]]:
        if self._service is None:
            raise Unavailable("no server answers")
        return [self._service]


def _context(service: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch) -> Any:
    context = SimpleNamespace(connection=Connection(service))
    monkeypatch.setattr(service_commands, "context_of", lambda _: context)
    return context


def test_show_and_list_say_what_is_the_matter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context = _context(_service("NotProven"), monkeypatch)
    show(context, "fuel")
    told = " ".join(capsys.readouterr().out.split())
    assert f"ready, but NotProven: {MESSAGE}" in told
    listing(context)
    assert "DEGRADED" in capsys.readouterr().out
    show(context, "fuel", as_json=True)
    told_json = json.loads(capsys.readouterr().out)
    assert (told_json["degraded"], told_json["reason"], told_json["message"]) == (True, "NotProven", MESSAGE)


def test_a_service_that_is_well_is_ready(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    context = _context(_service("Serving"), monkeypatch)
    show(context, "fuel")
    listing(context)
    told = capsys.readouterr().out
    assert "READY" in told
    assert MESSAGE not in told


@pytest.mark.parametrize(
    ("service", "names"),
    [
        (_service("NotProven"), ["fuel"]),
        (_service("NotProven", ready=False), ["fuel"]),
        (_service("RevisionFailed", ready=False), ["fuel"]),
        (_service("Serving"), []),
        (_service("AwaitingApproval", ready=False), []),
        (None, []),
    ],
)
def test_status_names_the_services_that_somebody_must_look_after(
    service: dict[str, Any] | None, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = up_commands._troubled(_context(service, monkeypatch))
    assert [each["name"] for each in found] == names


def test_a_rollback_waits_for_what_is_proven_and_not_for_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def look(_context: object, _name: str) -> dict[str, Any]:
        looks.append("look")
        service = _service("NotProven" if len(looks) < 3 else "Serving")
        return {**service, "revisions": [{"state": "live", "model_version_id": "v1"}]}

    monkeypatch.setattr(service_commands, "_get", look)
    service_commands._until_live(_context(None, monkeypatch), "fuel", "v1")
    assert len(looks) == 3
