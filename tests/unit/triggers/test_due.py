"""Schedules over nights, down-times and clocks that jump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.triggers.conftest import Mill

from tidemill.triggers import CatchUp, Concurrency, FiringState
from tidemill.triggers.due import fire_due


def nightly(mill: Mill, zone: str = "Europe/Berlin", line: str = "30 2 * * *", **changes: Any) -> None:
    more: dict[str, Any] = {"concurrency": Concurrency.ALLOW, **changes}
    mill.declare(mill.spec(kind="cron", settings={"cron": line, "zone": zone}, **more))


@pytest.mark.parametrize("start", [datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata"])
def test_a_controller_that_looks_every_ten_minutes_fires_once_a_night(mill: Mill, start: datetime, zone: str) -> None:
    mill.approve()
    mill.clock.moment = start
    nightly(mill, zone)
    for _ in range(3 * 24 * 6):
        mill.clock.advance(600)
        fire_due(mill.site, mill.approvals)
    first = start.date()
    assert [firing.cause["time"] for firing in mill.firings()] == [
        f"{first + timedelta(days=number)}T02:30" for number in (1, 2, 3)
    ]
    assert {firing.state for firing in mill.firings()} == {FiringState.WAITING}


@pytest.mark.parametrize(
    ("policy", "limit", "fired"),
    [(CatchUp.NONE, 10, 0), (CatchUp.LAST, 10, 1), (CatchUp.ALL, 10, 3), (CatchUp.ALL, 2, 2)],
)
def test_three_days_down_are_made_up_as_the_policy_says(mill: Mill, policy: CatchUp, limit: int, fired: int) -> None:
    mill.approve()
    nightly(mill, catch_up=policy, catch_up_limit=limit)
    mill.clock.advance(3 * 86_400)
    fire_due(mill.site, mill.approvals)
    states = [firing.state for firing in mill.firings()]
    assert states.count(FiringState.WAITING) == fired
    missed = [firing for firing in mill.firings() if firing.state is FiringState.SKIPPED]
    assert len(missed) == (fired < 3), "one line for all that was missed"
    assert all("passed while no controller led" in (firing.reason or "") for firing in missed)
    fire_due(mill.site, mill.approvals)
    assert len(mill.firings()) == len(states), "nothing is made up twice"
    mill.clock.moment = mill.trigger().next_at or mill.clock.moment
    fire_due(mill.site, mill.approvals)
    assert mill.firings()[-1].cause["time"] == "2030-01-05T02:30"


def test_a_minutely_schedule_makes_up_no_more_than_its_limit_after_a_year(mill: Mill) -> None:
    mill.approve()
    nightly(mill, "UTC", "* * * * *", catch_up=CatchUp.ALL, catch_up_limit=100)
    mill.clock.advance(365 * 86_400)
    fire_due(mill.site, mill.approvals)
    assert sum(firing.state is FiringState.WAITING for firing in mill.firings()) == 100


def test_a_time_that_is_a_little_late_is_not_missed(mill: Mill) -> None:
    mill.approve()
    nightly(mill, "UTC", "5 12 * * *", catch_up=CatchUp.NONE)
    mill.clock.advance(5 * 60 + 50)
    fire_due(mill.site, mill.approvals)
    assert [firing.state for firing in mill.firings()] == [FiringState.WAITING]


def test_clocks_that_jump_lose_no_time_and_repeat_none(mill: Mill) -> None:
    mill.approve()
    nightly(mill, "UTC", "0 * * * *")
    mill.clock.advance(3600)
    fire_due(mill.site, mill.approvals)
    mill.clock.advance(-3600)
    fire_due(mill.site, mill.approvals)
    mill.clock.advance(3600)
    fire_due(mill.site, mill.approvals)
    assert [firing.cause["time"] for firing in mill.firings()] == ["2030-01-01T13:00"]
    mill.clock.advance(366 * 86_400)
    fire_due(mill.site, mill.approvals)
    mill.clock.advance(-366 * 86_400)
    fire_due(mill.site, mill.approvals)
    mill.clock.advance(3600)
    fire_due(mill.site, mill.approvals)
    assert "2030-01-01T14:00" in [firing.cause.get("time") for firing in mill.firings()]


def test_another_schedule_counts_from_now_on(mill: Mill) -> None:
    mill.approve()
    nightly(mill, "UTC", "0 13 * * *")
    mill.clock.advance(7200)
    nightly(mill, "UTC", "30 13 * * *")
    fire_due(mill.site, mill.approvals)
    assert mill.firings() == []
    assert mill.trigger().next_at == datetime(2030, 1, 2, 13, 30, tzinfo=UTC)


def test_an_interval_fires_at_its_steps(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec(kind="interval", settings={"every_seconds": 90}, concurrency=Concurrency.ALLOW))
    for _ in range(36):
        mill.clock.advance(10)
        fire_due(mill.site, mill.approvals)
    assert len(mill.firings()) == 4
