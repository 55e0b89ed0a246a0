"""The verb match: which logged predictions a batch of names means; `python -m` this, names in, predictions out.

Runs in a process of its own, so that pyarrow is not in the server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tidemill.base.apart import run_apart
from tidemill.base.home import Home
from tidemill.monitoring.model import Prediction
from tidemill.monitoring.rules import Rules
from tidemill.monitoring.truth.model import TruthItem
from tidemill.monitoring.windows.columns import ANSWERED, Layout, row_count
from tidemill.monitoring.windows.job import Job
from tidemill.monitoring.windows.read_log import read_log
from tidemill.monitoring.windows.times import made_at

LOOK_BACK = timedelta(days=180)
"""How old a prediction may be that is named otherwise than by its id, which tells when it was made."""

Found = list[tuple[str, int]]
"""Prediction ids and rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where to look: the service's log, until `now`; `key` is a column, and `layouts` tells where by model version."""

    service_id: str
    namespace_id: str
    namespace: str
    service: str
    now: datetime
    key: str = ""
    layouts: Mapping[str, Mapping[str, Any]]


def match(home: Home, search: Search, items: Sequence[TruthItem]) -> list[Found]:
    """For each item the rows that it means, none for a name that nobody was answered under.

    A request id may mean one prediction of each revision (a mirrored request), the newest of each; a key means the
    newest row with it.
    """
    wanted = _Wanted(search, items)
    job = Job(
        **{name: getattr(search, name) for name in ("service_id", "namespace_id", "namespace", "service", "now")},
        rules=Rules(),
        spans=tuple(_spans(search, items)),
    )
    for _, record, moment in read_log(home, [job]):
        if record.status == ANSWERED:
            wanted.look_at(record, moment)
    return wanted.found()


class _Wanted:
    """The items by their names, and what was found of each so far."""

    def __init__(self, search: Search, items: Sequence[TruthItem]) -> None:
        self._search, self._items = search, items
        self._layouts = {version: Layout(each) for version, each in search.layouts.items()}
        self._ids = {each.prediction_id for each in items if each.prediction_id}
        self._requests = {each.request_id for each in items if each.request_id}
        self._keys = {each.key for each in items if each.key}
        self._rows_of: dict[str, int] = {}
        self._by_request: dict[str, dict[str, Prediction]] = {}
        self._by_key: dict[str, list[tuple[datetime, str, int]]] = {}

    def look_at(self, record: Prediction, moment: datetime) -> None:
        if record.id in self._ids:
            self._rows_of[record.id] = row_count(record)
        if record.request_id in self._requests:
            newest = self._by_request.setdefault(record.request_id or "", {})
            if record.revision_id not in newest or newest[record.revision_id].id < record.id:
                newest[record.revision_id] = record
        if self._keys:
            for number, key in enumerate(self._keys_of(record)):
                if key in self._keys:
                    self._by_key.setdefault(key, []).append((moment, record.id, number))

    def found(self) -> list[Found]:
        return [self._found_of(each) for each in self._items]

    def _found_of(self, item: TruthItem) -> Found:
        if item.prediction_id:
            return [(item.prediction_id, item.row)] if item.row < self._rows_of.get(item.prediction_id, 0) else []
        if item.request_id:
            newest = self._by_request.get(item.request_id, {}).values()
            return [(each.id, item.row) for each in newest if item.row < row_count(each)]
        latest = item.time or self._search.now
        places = [each for each in self._by_key.get(item.key or "", []) if each[0] <= latest]
        return [max(places)[1:]] if places else []

    def _keys_of(self, record: Prediction) -> Iterator[str]:
        layout = self._layouts.get(record.model_version_id)
        if layout is None or self._search.key not in layout.names:
            return
        place = layout.names.index(self._search.key)
        for row in layout.rows_of(record) or ():
            yield key_text(row[place])


def key_text(value: Any) -> str:
    """A key as it is compared: 42, 42.0 and "42" are one."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _spans(search: Search, items: Sequence[TruthItem]) -> Iterator[tuple[datetime, datetime]]:
    if any(not each.prediction_id for each in items):
        yield search.now - LOOK_BACK, search.now + timedelta(hours=1)
        return
    moments = {made_at(each.prediction_id or "") for each in items}
    hours = {moment.replace(minute=0, second=0, microsecond=0) for moment in moments if moment is not None}
    for hour in sorted(hours):
        yield hour, hour + timedelta(hours=1)


def match_apart(home: Home, search: Search, items: Sequence[TruthItem]) -> list[Found]:
    """`match` in a process of its own; `Unavailable` when it fails."""
    asked = {
        "home": str(home.path),
        "search": {
            **{name: getattr(search, name) for name in Search.__slots__ if name != "now"},
            "now": search.now.astimezone(UTC).isoformat(),
        },
        "items": [
            [each.prediction_id, each.request_id, each.key, each.row, each.time and each.time.isoformat()]
            for each in items
        ],
    }
    told = run_apart(__name__, asked, what="the log could not be searched")
    return [[(str(place[0]), int(place[1])) for place in found] for found in told]


def main() -> None:
    """A search on standard input, what it found on standard output."""
    asked = json.load(sys.stdin)
    search = Search(**{**asked["search"], "now": datetime.fromisoformat(asked["search"]["now"])})
    items = [
        TruthItem(
            value=0,
            prediction_id=prediction,
            request_id=request,
            key=key,
            row=row,
            time=None if time is None else datetime.fromisoformat(time),
        )
        for prediction, request, key, row, time in asked["items"]
    ]
    json.dump(match(Home(path=Path(asked["home"])), search, items), sys.stdout)


if __name__ == "__main__":
    main()
