"""The verbs find_prediction and list_predictions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.access.namespaces import namespace_of
from tidemill.base.errors import InvalidInput, NotFound
from tidemill.base.site import Site
from tidemill.monitoring.compact import HOUR, prediction_from_row
from tidemill.monitoring.frames import predictions_in
from tidemill.monitoring.model import Prediction
from tidemill.monitoring.spool import all_spools, predictions_folder, spool_folder
from tidemill.monitoring.windows.times import made_at

RECENT_SECONDS = 10.0
WAIT_SECONDS = 1.5
POLL_SECONDS = 0.02


def find_prediction(site: Site, actor: Actor, prediction_id: str) -> Prediction:
    """The prediction of that id in the actor's namespace.

    One made a moment ago is waited for, `WAIT_SECONDS` at most: a predictor hands its records over every 10 ms.
    Raises `InvalidInput` for what is no prediction id, `NotFound`.
    """
    actor.demand(Permission.READ)
    made = _time_of(prediction_id)
    is_recent = abs((site.clock.now() - made).total_seconds()) < RECENT_SECONDS
    deadline = time.monotonic() + (WAIT_SECONDS if is_recent else 0.0)
    while True:
        # the Parquet files last: a spool file that is compacted meanwhile is there by then
        for found in (*_spooled(site, needle=prediction_id.encode()), *_stored_at(site, actor, made, prediction_id)):
            if found.id == prediction_id and found.namespace_id == actor.namespace_id:
                return found
        if time.monotonic() >= deadline:
            raise NotFound(
                f"there is no prediction {prediction_id} here",
                remedy="its log may have been dropped under load, or it belongs to another namespace",
            )
        time.sleep(POLL_SECONDS)


def list_predictions(
    site: Site, actor: Actor, service: str, *, before: str | None = None, limit: int = 100
) -> list[Prediction]:
    """The newest predictions of a service, newest first, at most `limit`, those with ids before `before`."""
    actor.demand(Permission.READ)
    found: dict[str, Prediction] = {}

    def keep(predictions: Iterable[Prediction]) -> None:
        for each in predictions:
            is_asked = each.service == service and each.namespace_id == actor.namespace_id
            if is_asked and (before is None or each.id < before):
                found[each.id] = each

    keep(_spooled(site, needle=service.encode()))
    for hour in _hours(site, actor, service):
        if before is not None and hour.name > _time_of(before).strftime(HOUR):
            continue
        if len(found) >= limit and hour.name < min(found.values(), key=_id).time.strftime(HOUR):
            break
        for file in sorted(hour.glob("*.parquet")):
            keep(_read(file))
    return sorted(found.values(), key=_id, reverse=True)[:limit]


def _id(prediction: Prediction) -> str:
    return prediction.id


def _spooled(site: Site, *, needle: bytes) -> Iterator[Prediction]:
    for path in all_spools(spool_folder(site.home)):
        try:
            with path.open("rb") as file:
                for line in file:
                    if needle in line and line.endswith(b"\n"):
                        yield from predictions_in(line)
        except FileNotFoundError:
            continue  # compacted or closed meanwhile


def _stored_at(site: Site, actor: Actor, made: datetime, prediction_id: str) -> Iterator[Prediction]:
    """The prediction in the files of the hour it was made in, or of the next: a request may outlive its hour."""
    with site.database.read() as connection:
        namespace = namespace_of(connection, actor.namespace_id).name
    for hour in (made, made + timedelta(hours=1)):
        for file in sorted((predictions_folder(site.home) / namespace).glob(f"*/{hour.strftime(HOUR)}/*.parquet")):
            yield from _read(file, filters=[("id", "==", prediction_id)])


def _hours(site: Site, actor: Actor, service: str) -> list[Path]:
    with site.database.read() as connection:
        namespace = namespace_of(connection, actor.namespace_id).name
    folder = predictions_folder(site.home) / namespace / service
    return sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []


def _read(file: Path, filters: list[tuple[str, str, str]] | None = None) -> Iterator[Prediction]:
    import pyarrow.parquet  # 0.3 s: only who reads old predictions pays

    for row in pyarrow.parquet.read_table(file, filters=filters).to_pylist():
        yield prediction_from_row(_plain(row))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "time": row["time"].astimezone(UTC)}


def _time_of(prediction_id: str) -> datetime:
    """When a prediction was asked for: its id is a UUIDv7, whose first 48 bits are milliseconds since 1970."""
    made = made_at(prediction_id)
    if made is None:
        raise InvalidInput(f"{prediction_id[:80]!r} is no prediction id", remedy="take it from x-request-id")
    return made
