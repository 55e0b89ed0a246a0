"""What happened becomes effects only while there is somebody to tell, and then all of it, once.

Goes red when its guard is off: `TRACKING_GUARDS_OFF=idle pytest tests/unit/tracking/test_notice.py`.
"""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from tests.conftest import FixedClock

from tidemill.base.events import append_event
from tidemill.base.outbox import EffectState, QueuedEffect, list_effects
from tidemill.base.site import Site
from tidemill.tracking import notice
from tidemill.tracking.notice import notice_news
from tidemill.tracking.use import last_use, note_use

OFF = set(filter(None, os.environ.get("TRACKING_GUARDS_OFF", "").split(",")))


@pytest.fixture(autouse=True)
def guards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guards that the environment switches off."""
    if "idle" in OFF:
        monkeypatch.setattr(notice, "IDLE_SECONDS", 1e12)
        monkeypatch.setattr(notice, "last_use", lambda _home: last_use(_home) or notice_epoch)


notice_epoch = FixedClock().now()


def _happened(site: Site, kind: str, subject: str, namespace: str = "n", **data: str) -> None:
    with site.database.write() as connection:
        append_event(
            connection, site.clock, namespace_id=namespace, kind=kind, subject_id=subject, data=data, created_by="alan"
        )


def _effects(site: Site, namespace: str = "n") -> list[QueuedEffect]:
    return list_effects(site, namespace, states=tuple(EffectState), before=None, limit=1000)


def _used_at(clock: FixedClock, site: Site) -> None:
    note_use(site.home)
    found = last_use(site.home)
    assert found is not None
    clock.moment = found + timedelta(seconds=1)


def test_nobody_is_told_while_nobody_used_mlflow_and_all_of_it_afterwards(still_site: Site, clock: FixedClock) -> None:
    _happened(still_site, "run.submitted", "r1")
    assert notice_news(still_site, always=False) == 0
    _used_at(clock, still_site)
    assert notice_news(still_site, always=False) == 1
    clock.advance(601)
    _happened(still_site, "run.submitted", "r2")
    assert notice_news(still_site, always=False) == 0
    assert [effect.payload["thing"] for effect in _effects(still_site)] == ["run r1"]
    _used_at(clock, still_site)
    notice_news(still_site, always=False)
    assert [effect.payload["thing"] for effect in _effects(still_site)] == ["run r2", "run r1"]


def test_several_events_of_one_thing_are_one_effect_and_each_is_noticed_once(still_site: Site) -> None:
    for kind in ("run.submitted", "run.running", "run.succeeded"):
        _happened(still_site, kind, "r1")
    _happened(still_site, "model_version.registered", "v1")
    _happened(still_site, "pointer.moved", "v1", environment="production", service="fuel")
    _happened(still_site, "service.applied", "s1")
    _happened(still_site, "run.submitted", "r1", namespace="other")
    assert notice_news(still_site, always=True) == 4
    assert notice_news(still_site, always=True) == 0
    mine = {(effect.payload["thing"], effect.lane) for effect in _effects(still_site)}
    assert mine == {("run r1", "run r1"), ("version v1", "registry"), ("pointer production fuel", "registry")}
    assert len(_effects(still_site, "other")) == 1
    _happened(still_site, "run.resumed", "r1")
    assert notice_news(still_site, always=True) == 1


def test_a_long_past_is_noticed_piece_by_piece(still_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "MOST_EVENTS", 2)
    for number in range(5):
        _happened(still_site, "run.submitted", f"r{number}")
    assert [notice_news(still_site, always=True) for _ in range(4)] == [2, 2, 1, 0]
