"""Asking a service that does not answer yet: what is being loaded is waited for, the rest is said as it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tidemill.base.errors import NotFound, Unavailable
from tidemill.cli import answering
from tidemill.cli.answering import answering_service

WAITING = "no model version is approved for fuel in production; open a review: tidemill review open"


def _service(reason: str, message: str = "", live: bool = False) -> dict[str, Any]:
    revisions = [{"state": "live" if live else "starting"}]
    spec = {"environment": "production"}
    return {"name": "fuel", "reason": reason, "message": message, "spec": spec, "revisions": revisions}


LIVE = _service("Serving", live=True)


class Site:
    """Gives the states of a service one after the other, the last one again and again."""

    def __init__(self, *states: dict[str, Any], approved: str = "") -> None:
        self.states = list(states)
        self.reviews = [{"service": approved, "environment": "production"}]

    def get(self, _route: str) -> dict[str, Any]:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def pages(self, _route: str, **_asked: object) -> list[dict[str, Any]]:
        return self.reviews


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that each wait moves on."""
    now = [0.0]
    still = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds))
    monkeypatch.setattr(answering, "time", still)


def _ask(site: Site) -> dict[str, Any]:
    return answering_service(SimpleNamespace(connection=site), "fuel")  # type: ignore[arg-type]  # what it needs of one


def test_what_answers_is_asked_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ask(Site(LIVE)) == LIVE
    assert capsys.readouterr().err == ""


def test_right_after_an_approval_the_service_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(_service("AwaitingApproval", WAITING), _service("Loading"), _service("Loading"), LIVE, approved="fuel")
    assert _ask(site) == LIVE
    assert capsys.readouterr().err == "fuel is being loaded; waiting for it\n"


def test_what_loads_for_long_is_said_to_be_loading() -> None:
    with pytest.raises(Unavailable, match=r"still being loaded: revision 1 \(fuel@1\) is being started") as caught:
        _ask(Site(_service("Loading", "revision 1 (fuel@1) is being started")))
    assert "tidemill service show fuel" in str(caught.value.remedy)


@pytest.mark.parametrize("approved", ["", "another"])
def test_nothing_approved_is_not_waited_for(approved: str) -> None:
    with pytest.raises(NotFound, match="no model version is approved for fuel") as caught:
        _ask(Site(_service("AwaitingApproval", WAITING), LIVE, approved=approved))
    assert str(caught.value.remedy).startswith("open a review: tidemill review open")


def test_an_approval_that_nobody_takes_up_is_not_waited_for_long() -> None:
    with pytest.raises(NotFound, match="no live revision"):
        _ask(Site(_service("AwaitingApproval", WAITING), approved="fuel"))


def test_what_failed_is_said_to_have_failed() -> None:
    with pytest.raises(Unavailable, match="could not be loaded: it is broken"):
        _ask(Site(_service("RevisionFailed", "it is broken"), LIVE))
