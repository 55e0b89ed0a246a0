"""A controller whose database cannot be written leads nobody, and tries again."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tidemill.base.ballast import RELEASE_BYTES, Ballast
from tidemill.base.errors import StorageFull
from tidemill.base.leases import take_lease
from tidemill.base.site import Site
from tidemill.supervisor import controller, rounds
from tidemill.supervisor.rounds import Round, go_round


class _Settings:
    def number(self, _name: str) -> int:
        return RELEASE_BYTES


class _Platform:
    """As much of a platform as the controller asks for."""

    settings = _Settings()

    def __init__(self, site: Site) -> None:
        self.site = site


def test_a_lease_that_cannot_be_written_is_tried_again_and_one_lost_so_ends_what_was_begun(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, asked, led = threading.Event(), [False, True, False, True], []

    def sometimes(*given: Any, **named: Any) -> Any:
        if not asked.pop(0):
            raise StorageFull("the disk is full, so the database cannot grow")
        if not asked:
            stop.set()
        return take_lease(*given, **named)

    monkeypatch.setattr(controller, "take_lease", sometimes)
    monkeypatch.setattr(controller, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(controller, "AGAIN_SECONDS", 0.01)
    waiting = Round(name="waiting", seconds=0.01, work=lambda _site: None)
    monkeypatch.setattr(controller, "rounds_of", lambda _platform: (waiting,))
    monkeypatch.setattr(controller, "go_round", lambda _round, _site, ended: led.append(ended.wait(60)))
    before = threading.active_count()
    platform: Any = _Platform(site)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    controller.run_controller(platform, stop)
    assert led == [True, True], "it led twice, and both times ended what it had begun"
    assert threading.active_count() == before
    assert Ballast(home=site.home).look().held_bytes == RELEASE_BYTES, "whoever has the loop keeps the ballast"


def test_what_fails_is_tried_again_and_what_is_due_once_is_done_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "AGAIN_SECONDS", 0.01)
    ended, tries = threading.Event(), []

    def work(given: Site) -> None:
        tries.append(given)
        if len(tries) == 1:
            raise StorageFull("the disk is full")

    thread = threading.Thread(target=go_round, args=(Round(name="once", seconds=0, work=work), site, ended))
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert tries == [site, site]


class _Waits(threading.Event):
    """Ends after some waits, and remembers how long each was to be."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.seconds = count, list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return len(self.seconds) > self.count


def test_a_round_that_has_nothing_to_do_comes_less_often_and_one_that_has_as_often_as_before(site: Site) -> None:
    done = iter([0, 3, 1, None])
    waits = _Waits(4)
    go_round(Round(name="some", seconds=0.2, work=lambda _site: next(done), idle_seconds=1.0), site, waits)
    assert waits.seconds == [0.2, 1.0, 0.2, 0.2, 1.0]
