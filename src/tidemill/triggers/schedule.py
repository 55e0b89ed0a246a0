"""When a schedule is due: wall times of a zone, each once, also on the days on which the clocks change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tidemill.base.errors import InvalidInput

_CRON = re.compile(r"@[a-z]+|[0-9A-Za-z*/,?# -]{1,200}")
_DRAWN = re.compile(r"(?<![A-Za-z])[HhRr](?![A-Za-z])")
"""Jenkins's H, and R: a time that is drawn anew at each look is none."""

_ALIASES = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})
_FARTHEST_YEARS = 9
"""The 29th of February may be eight years away."""

_MARGIN = timedelta(hours=26)
"""More than clocks were ever put forward: Samoa skipped a day."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Due:
    """A time of a schedule: the moment in UTC, and `wall`, which names it for ever (`2030-03-31T02:30`)."""

    at: datetime
    wall: str


class Schedule(Protocol):
    """Times that are known beforehand."""

    def between(self, after: datetime, until: datetime, *, newest: int) -> list[Due]:
        """The times after one moment up to another, oldest first; of more than `newest` the newest."""
        ...

    def following(self, after: datetime, count: int) -> list[Due]:
        """The next `count` times after a moment; fewer when there are no more within nine years."""
        ...


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """A cron line on the clock of a zone.

    Each wall time counts once. One that comes twice counts the first time. One that the clocks jump over counts at the
    moment when it would have been, unless another wall time of the line has that moment.
    """

    line: str
    zone: ZoneInfo

    def between(self, after: datetime, until: datetime, *, newest: int) -> list[Due]:
        """See `Schedule`."""
        span = timedelta(days=1)
        while True:
            start = max(after, until - span)
            found = self._within(start, until)
            if len(found) >= newest or start == after:
                return found[-newest:] if newest else []
            span *= 4

    def following(self, after: datetime, count: int) -> list[Due]:
        """See `Schedule`."""
        span = timedelta(days=2)
        while True:
            found = self._within(after, after + span)
            if len(found) >= count or span > timedelta(days=366 * _FARTHEST_YEARS):
                return found[:count]
            span *= 4

    def _within(self, after: datetime, until: datetime) -> list[Due]:
        found: dict[datetime, Due] = {}
        for wall in self._walls(_wall(after, self.zone) - _MARGIN, _wall(until, self.zone) + _MARGIN):
            at = wall.replace(tzinfo=self.zone).astimezone(UTC)
            if after < at <= until and (at not in found or _wall(at, self.zone) == wall):
                found[at] = Due(at=at, wall=wall.isoformat(timespec="minutes"))
        return sorted(found.values())

    def _walls(self, start: datetime, end: datetime) -> Iterator[datetime]:
        from croniter import CroniterBadDateError, croniter  # only where there is a schedule

        times = croniter(self.line, start, ret_type=datetime, max_years_between_matches=_FARTHEST_YEARS)
        try:
            while (wall := times.get_next()) <= end:
                yield wall
        except CroniterBadDateError:
            return


@dataclass(frozen=True, slots=True)
class IntervalSchedule:
    """Every so many seconds since an anchor."""

    every_seconds: int
    anchor: datetime

    def between(self, after: datetime, until: datetime, *, newest: int) -> list[Due]:
        """See `Schedule`."""
        last = self._number(until)
        first = max(self._number(after) + 1, last - newest + 1, 1)
        return [self._due(number) for number in range(first, last + 1)]

    def following(self, after: datetime, count: int) -> list[Due]:
        """See `Schedule`."""
        first = max(self._number(after) + 1, 1)
        return [self._due(number) for number in range(first, first + count)]

    def _number(self, moment: datetime) -> int:
        return (moment - self.anchor) // timedelta(seconds=self.every_seconds)

    def _due(self, number: int) -> Due:
        at = self.anchor + timedelta(seconds=self.every_seconds) * number
        return Due(at=at, wall=at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


def cron_schedule(line: str, zone: str, *, place: str = "cron") -> CronSchedule:
    """The schedule of a cron line of five fields; `InvalidInput` for one that cannot be read, or never comes."""
    found = CronSchedule(" ".join(line.split()), zone_of(zone, place=place.removesuffix("cron") + "zone"))
    aliased = found.line.startswith("@")
    fields = found.line.split(" ")
    is_line = found.line in _ALIASES if aliased else len(fields) == 5 and not _DRAWN.search(found.line)
    if not is_line or not _CRON.fullmatch(found.line):
        raise InvalidInput(
            f"{line[:80]!r} is no cron line",
            place=place,
            remedy='minute, hour, day, month, weekday: "30 2 * * *" is half past two each night',
        )
    try:
        some = found.following(datetime(2024, 1, 1, tzinfo=UTC), 1)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as problem:  # a parser of others
        raise InvalidInput(f"{line[:80]!r} is no cron line: {str(problem)[:200]}", place=place) from problem
    if not some:
        raise InvalidInput(f"{line[:80]!r} never comes", place=place, remedy="no such day is in the calendar")
    return found


def zone_of(name: str, *, place: str = "zone") -> ZoneInfo:
    """The zone of an IANA name; `InvalidInput`."""
    try:
        if not re.fullmatch(r"[A-Za-z0-9_+/-]{1,64}", name):
            raise ValueError(name)
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as problem:
        told = f"there is no time zone {name[:80]!r}"
        raise InvalidInput(told, place=place, remedy="such as Europe/Berlin, or UTC") from problem


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
