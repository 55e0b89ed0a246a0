"""Schedules on the clocks of zones: each wall time once, also on the days on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.triggers.schedule import CronSchedule, Due, IntervalSchedule, cron_schedule

CHANGING = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
STEADY = ("Asia/Kolkata", "Pacific/Apia")
"""Their clocks are not changed within these years: one line shows what the others would."""

CRONS = ("30 2 * * *", "0 0 * * *", "59 23 * * *", "15 1 * * *", "0 3 * * *")


def during(schedule: CronSchedule, start: datetime, end: datetime) -> list[Due]:
    return schedule.between(start.astimezone(UTC), end.astimezone(UTC), newest=100_000)


@pytest.mark.parametrize(
    ("line", "zone"), [*((line, zone) for zone in CHANGING for line in CRONS), *((CRONS[0], zone) for zone in STEADY)]
)
def test_a_nightly_job_comes_once_per_local_date_for_ten_years(line: str, zone: str) -> None:
    here = ZoneInfo(zone)
    start, end = datetime(2025, 12, 31, 23, 59, 30, tzinfo=here), datetime(2035, 12, 31, 23, 59, 30, tzinfo=here)
    dates = [datetime.fromisoformat(due.wall).date() for due in during(cron_schedule(line, zone), start, end)]
    assert dates == [date(2026, 1, 1) + timedelta(days=number) for number in range((end - start).days)]


@pytest.mark.parametrize(
    ("zone", "day", "moments"),
    [
        ("Europe/Berlin", "2026-03-29", ["2026-03-29T01:30:00+00:00"]),  # 02:30 is jumped over: at 03:30 summer time
        ("Europe/Berlin", "2026-10-25", ["2026-10-25T00:30:00+00:00"]),  # 02:30 comes twice: the first one
        ("America/New_York", "2026-03-08", ["2026-03-08T07:30:00+00:00"]),
        ("America/New_York", "2026-11-01", ["2026-11-01T07:30:00+00:00"]),  # there 01:30 comes twice, not 02:30
        ("Asia/Kolkata", "2026-03-29", ["2026-03-28T21:00:00+00:00"]),
    ],
)
def test_half_past_two_on_the_days_of_the_change(zone: str, day: str, moments: list[str]) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    found = during(cron_schedule("30 2 * * *", zone), start, start + timedelta(days=1))
    assert [due.at.isoformat() for due in found] == moments
    assert [due.wall for due in found] == [f"{day}T02:30"]


def test_the_hour_that_comes_twice_fires_once_in_new_york() -> None:
    start = datetime(2026, 11, 1, tzinfo=ZoneInfo("America/New_York"))
    found = during(cron_schedule("30 1 * * *", "America/New_York"), start, start + timedelta(days=1))
    assert [due.at.isoformat() for due in found] == ["2026-11-01T05:30:00+00:00"]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 24), ("2026-06-01", 24)])
def test_an_hourly_job_has_no_two_times_at_one_moment(day: str, hours: int) -> None:
    here = ZoneInfo("Europe/Berlin")
    start = datetime.fromisoformat(day).replace(tzinfo=here) - timedelta(seconds=1)
    end = datetime.fromisoformat(day).replace(tzinfo=here) + timedelta(days=1) - timedelta(seconds=1)
    found = during(cron_schedule("0 * * * *", "Europe/Berlin"), start, end)
    assert len(found) == hours
    assert len({due.at for due in found}) == len({due.wall for due in found}) == hours


def test_the_next_times_follow_each_other_over_a_change() -> None:
    schedule = cron_schedule("30 2 * * *", "Europe/Berlin")
    after = datetime(2026, 3, 27, 12, tzinfo=UTC)
    found = schedule.following(after, 4)
    one_by_one = []
    for _ in range(4):
        one_by_one += schedule.following(after, 1)
        after = one_by_one[-1].at
    assert found == one_by_one
    assert [due.wall[:10] for due in found] == ["2026-03-28", "2026-03-29", "2026-03-30", "2026-03-31"]


def test_of_many_times_the_newest_are_given_quickly() -> None:
    schedule = cron_schedule("* * * * *", "Europe/Berlin")
    until = datetime(2036, 1, 1, tzinfo=UTC)
    found = schedule.between(datetime(2026, 1, 1, tzinfo=UTC), until, newest=100)
    assert (len(found), found[-1].at) == (100, until)
    assert schedule.between(until, until, newest=5) == []
    assert schedule.between(until - timedelta(seconds=30), until, newest=0) == []


def test_a_leap_day_comes_even_after_eight_years() -> None:
    found = cron_schedule("0 0 29 2 *", "UTC").following(datetime(2096, 3, 1, tzinfo=UTC), 2)
    assert [due.wall for due in found][:1] == ["2104-02-29T00:00"]


@pytest.mark.parametrize(
    "line",
    [
        *("", " ", "61 * * * *", "* * * *", "* * * * * *", "@reboot", "@every 5m", "H * * * *", "R R * * *"),
        *("0 0 30 2 *", "0 0 31 4,6 *", "*/0 * * * *", "a b c d e", "\n", "🤖 * * * *", "0 0 * * 5#9", "* " * 500),
        *("0 0 * * MON-", "1-99999999999999999999 * * * *", "$(id) * * * *", "٣ * * * *"),
    ],
)
def test_what_is_no_cron_line_or_never_comes_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        cron_schedule(line, "UTC", place="triggers.nightly.cron")
    assert caught.value.place == "triggers.nightly.cron"


@pytest.mark.parametrize("zone", ["", "Europe/Nowhere", "../../etc/passwd", "/etc/localtime", "UTC\n", "é" * 10_000])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        cron_schedule("0 0 * * *", zone, place="triggers.nightly.cron")
    assert caught.value.place == "triggers.nightly.zone"


def test_an_interval_goes_from_its_anchor() -> None:
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    schedule = IntervalSchedule(every_seconds=90, anchor=anchor)
    assert [due.at for due in schedule.following(anchor, 2)] == [anchor + timedelta(seconds=each) for each in (90, 180)]
    hour = anchor + timedelta(hours=1)
    assert len(schedule.between(anchor, hour, newest=1000)) == 40
    assert [due.at for due in schedule.between(anchor, hour, newest=1)] == [hour]
    assert schedule.between(hour, hour + timedelta(seconds=89), newest=10) == []
    assert schedule.between(anchor - timedelta(days=1), anchor, newest=10) == []
