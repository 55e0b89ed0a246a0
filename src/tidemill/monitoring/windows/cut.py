"""Cutting the records of a service into windows, by time or by rows, and which of them have changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.monitoring.model import Prediction
from tidemill.monitoring.windows.columns import row_count
from tidemill.monitoring.windows.job import Job, Known
from tidemill.monitoring.windows.model import WindowState
from tidemill.monitoring.windows.times import window_start

SETTLE = timedelta(seconds=5)
"""How long after its end a window is closed: what predictors still hold back has arrived by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A window to be computed: whose records it takes, by their ids, both ends included."""

    revision_id: str
    start: datetime
    end: datetime
    first_id: str
    last_id: str
    state: WindowState


class ByTime:
    """Windows that all last the same and follow each other without a gap."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._seconds = job.rules.window_seconds
        self._length = timedelta(seconds=self._seconds)
        self._counts: dict[tuple[str, datetime], int] = {}
        self._ids: dict[tuple[str, datetime], tuple[str, str]] = {}

    def add(self, record: Prediction, moment: datetime) -> None:
        """Count a record."""
        key = record.revision_id, window_start(moment, self._seconds)
        first, last = self._ids.get(key, (record.id, record.id))
        self._ids[key] = min(first, record.id), max(last, record.id)
        self._counts[key] = self._counts.get(key, 0) + 1

    def frames(self) -> Iterator[Frame]:
        """The windows that are not as they were computed last."""
        known = {
            (each.revision_id, each.start): each for each in self._job.known if each.end == each.start + self._length
        }
        for key, records in self._counts.items():
            end = key[1] + self._length
            state = WindowState.CLOSED if end + SETTLE <= self._job.now else WindowState.OPEN
            if has_changed(known.get(key), records, state):
                first_id, last_id = self._ids[key]
                yield Frame(revision_id=key[0], start=key[1], end=end, first_id=first_id, last_id=last_id, state=state)


class ByRows:
    """Windows of as many rows each, in the order of the ids; as many requests without an answer end one, too.

    What comes later than its neighbours by more than `SETTLE` is in none, unless a window is computed again.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._forced = [each for each in job.known if each.is_forced and each.state is WindowState.CLOSED]
        self._rest: dict[str, list[tuple[str, datetime, int]]] = {}

    def add(self, record: Prediction, moment: datetime) -> None:
        """Take a record that no closed window has."""
        if record.id > self._job.cursors.get(record.revision_id, "") and moment + SETTLE <= self._job.now:
            self._rest.setdefault(record.revision_id, []).append((record.id, moment, row_count(record)))

    def frames(self) -> Iterator[Frame]:
        """The closed windows that are asked for, and those that what came since makes."""
        for window in self._forced:
            yield Frame(
                **{
                    name: getattr(window, name)
                    for name in ("revision_id", "start", "end", "first_id", "last_id", "state")
                }
            )
        for revision_id, members in self._rest.items():
            yield from self._cut(revision_id, sorted(members))

    def _cut(self, revision_id: str, members: Sequence[tuple[str, datetime, int]]) -> Iterator[Frame]:
        known = {each.first_id: each for each in self._job.known if each.revision_id == revision_id}
        held: list[tuple[str, datetime, int]] = []
        rows = unanswered = 0
        for each in members:
            held.append(each)
            rows, unanswered = rows + each[2], unanswered + (not each[2])
            if max(rows, unanswered) >= self._job.rules.window_rows:
                yield _frame(revision_id, held, WindowState.CLOSED)
                held, rows, unanswered = [], 0, 0
        if held and has_changed(known.get(held[0][0]), len(held), WindowState.OPEN):
            yield _frame(revision_id, held, WindowState.OPEN)


def _frame(revision_id: str, held: Sequence[tuple[str, datetime, int]], state: WindowState) -> Frame:
    (first_id, start, _), (last_id, end, _) = held[0], held[-1]
    return Frame(revision_id=revision_id, start=start, end=end, first_id=first_id, last_id=last_id, state=state)


def has_changed(known: Known | None, records: int, state: WindowState) -> bool:
    """True for a window that is new, holds other records, has another state, or is asked for."""
    return known is None or known.is_forced or known.records != records or known.state is not state
