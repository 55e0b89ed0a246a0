"""Sources that are looked at: a change fires once, a failing look is told and tried later and later."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.triggers.conftest import Mill

from tidemill.base.errors import InvalidInput, Unavailable
from tidemill.triggers import Concurrency, FiringState, poll_sources
from tidemill.triggers.due import fire_due
from tidemill.triggers.sources.contract import Sighting
from tidemill.triggers.sources.files import FilesSource
from tidemill.triggers.sources.find import GROUP, source_of


class Tide:
    """A source of a plug-in: a level that a test sets."""

    def __init__(self) -> None:
        self.level: Any = 0

    def check(self, settings: Any, *, place: str) -> dict[str, Any]:
        return {"harbour": str(settings["harbour"])}

    def look(self, home: Any, settings: Any, seen: Any) -> Sighting:
        if isinstance(self.level, BaseException):
            raise self.level
        key = None if seen is None or seen["level"] == self.level else f"level {self.level}"
        return Sighting(cursor={"level": self.level}, key=key, cause={"level": self.level})


@pytest.fixture
def tide(monkeypatch: pytest.MonkeyPatch) -> Tide:
    """The plug-in, installed."""
    found = Tide()

    class Point:
        def load(self) -> Any:
            return lambda: found

    def points(*, group: str, name: str) -> list[Point]:
        return [Point()] if (group, name) == (GROUP, "tide") else []

    monkeypatch.setattr("tidemill.triggers.sources.find.entry_points", points)
    return found


def declared(mill: Mill, **more: Any) -> None:
    mill.approve()
    settings = {"harbour": "Kiel", "poll_seconds": 10}
    mill.declare(mill.spec(kind="tide", settings=settings, concurrency=Concurrency.ALLOW, **more))


def look(mill: Mill) -> None:
    mill.clock.moment = mill.trigger().next_at or mill.clock.moment
    poll_sources(mill.site, mill.approvals)


def test_a_kind_of_a_plug_in_fires_once_per_change(mill: Mill, tide: Tide) -> None:
    declared(mill)
    for level in (3, 3, 4, 4, 4, 3):
        tide.level = level
        look(mill)
    assert [firing.cause for firing in mill.firings()] == [{"level": 4}, {"level": 3}]
    assert {firing.kind for firing in mill.firings()} == {"tide"}
    fire_due(mill.site, mill.approvals)
    assert len(mill.firings()) == 2


def test_the_look_and_its_firing_are_written_together(mill: Mill, tide: Tide, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(mill)
    look(mill)
    tide.level = 9

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tidemill.triggers.poll.store.change_trigger", dies)
        with pytest.raises(KeyboardInterrupt):
            look(mill)
    assert mill.firings() == []
    look(mill)
    look(mill)
    assert [firing.cause for firing in mill.firings()] == [{"level": 9}]


def test_a_failing_look_is_told_and_tried_later_and_later(mill: Mill, tide: Tide) -> None:
    declared(mill)
    look(mill)
    tide.level = Unavailable("the harbour does not answer", place="Kiel", remedy="wait")
    waits = []
    for _ in range(9):
        look(mill)
        waits.append((mill.trigger().next_at or mill.clock.now()) - mill.clock.now())
    assert waits[:4] == [timedelta(seconds=each) for each in (20, 40, 80, 160)]
    assert waits[-1] == timedelta(minutes=15)
    assert (mill.trigger().failures, mill.trigger().problem) == (9, "Kiel: the harbour does not answer\n  → wait")
    tide.level = 5
    look(mill)
    assert (mill.trigger().failures, mill.trigger().problem) == (0, None)
    assert [firing.cause for firing in mill.firings()] == [{"level": 5}], "what was seen before is not forgotten"


@pytest.mark.parametrize("level", [ValueError("odd"), object(), "x" * 200_000])
def test_a_source_that_misbehaves_holds_up_nobody(mill: Mill, tide: Tide, level: Any, tmp_path: Path) -> None:
    declared(mill)
    (tmp_path / "in").mkdir()
    settings = {"path": str(tmp_path / "in")}
    mill.declare(mill.spec(kind="tide", settings={"harbour": "Kiel"}), mill.spec("files", "data", settings=settings))
    poll_sources(mill.site, mill.approvals)
    tide.level = level
    (tmp_path / "in" / "a.csv").write_text("rows")
    for _ in range(3):
        mill.clock.advance(60)
        poll_sources(mill.site, mill.approvals)
    assert mill.trigger().problem is not None
    assert [firing.state for firing in mill.firings("files")] == [FiringState.WAITING]


def test_a_change_while_paused_is_not_made_up(mill: Mill, tide: Tide) -> None:
    from tidemill.triggers import pause, resume

    declared(mill)
    look(mill)
    pause(mill.site, mill.people.author, "nightly")
    tide.level = 7
    look(mill)
    resume(mill.site, mill.people.author, "nightly")
    look(mill)
    assert mill.firings() == []
    tide.level = 8
    look(mill)
    assert len(mill.firings()) == 1


def test_a_kind_that_nobody_brought_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        source_of("tide", {})
    assert "known: cron, interval, data" in (caught.value.remedy or "")


def test_what_may_never_end_is_not_read(tmp_path: Path, mill: Mill) -> None:
    home = mill.site.home
    folder = tmp_path / "arrivals"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    settings = FilesSource().check({"path": str(folder)}, place="t")
    seen = FilesSource().look(home, settings, None).cursor
    (folder / "a.csv").write_text("1\n")
    between = FilesSource().look(home, settings, seen).cursor
    found = FilesSource().look(home, settings, between)
    assert (found.key is not None, found.cause["files"]) == (True, 1)
