"""The prediction log: frames are checked, spooled, compacted to Parquet by hour, and found again."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import People

from tidemill.base.errors import InvalidInput, NotFound
from tidemill.base.site import Site
from tidemill.monitoring import find_prediction, list_predictions, spool
from tidemill.monitoring.compact import compact
from tidemill.monitoring.frames import predictions_in
from tidemill.monitoring.spool import Spool, closed_spools, predictions_folder, spool_folder

HOUR = datetime(2030, 1, 1, 12, 30, tzinfo=UTC)


def prediction_id(moment: datetime, number: int = 0) -> str:
    """A UUIDv7 of a moment."""
    milliseconds = int(moment.timestamp() * 1000)
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{number:03x}-8000-000000000000"


def record(moment: datetime = HOUR, number: int = 0, **changes: Any) -> list[Any]:
    """One record as a predictor sends it."""
    values: dict[str, Any] = {
        "id": prediction_id(moment, number),
        "time_ns": int(moment.timestamp() * 1e9),
        "status": 200,
        "latency_us": 150,
        "protocol": "v1",
        "inputs": [{"wght": 2130}],
        "outputs": [[7.5]],
        "error": None,
        "request_id": "r",
    }
    return list({**values, **changes}.values())


def frame(people: People, *records: list[Any], **changes: Any) -> bytes:
    """A frame as a predictor sends it."""
    source = {
        "schema_version": 1,
        "namespace_id": people.viewer.namespace_id,
        "namespace": "default",
        "service": "fuel",
        "service_id": "s",
        "revision_id": "rev",
        "revision": "2",
        "model_version_id": "v",
        "dropped": 0,
        "records": records,
    }
    return json.dumps({**source, **changes}).encode() + b"\n"


def write(site: Site, *frames: bytes) -> Spool:
    """Frames in the open spool file."""
    opened = Spool(spool_folder(site.home))
    for each in frames:
        opened.append(each)
    return opened


def test_a_prediction_is_found_while_it_is_spooled_and_after_it_was_compacted(site: Site, people: People) -> None:
    opened = write(site, frame(people, record(), record(number=1)))
    wanted = prediction_id(HOUR, 1)
    spooled = find_prediction(site, people.viewer, wanted)
    opened.close()
    assert compact(site.home) == 2
    assert closed_spools(spool_folder(site.home)) == []
    assert find_prediction(site, people.viewer, wanted) == spooled
    assert (spooled.service, spooled.revision_id, spooled.time) == ("fuel", "rev", HOUR)
    (file,) = predictions_folder(site.home).rglob("*.parquet")
    assert file.relative_to(predictions_folder(site.home)).parts[:3] == ("default", "fuel", "20300101T12")


def test_a_crash_between_parquet_and_spool_gives_no_record_twice(site: Site, people: People, tmp_path: Path) -> None:
    write(site, frame(people, record())).close()
    (closed,) = closed_spools(spool_folder(site.home))
    shutil.copy(closed, tmp_path / "kept")
    compact(site.home)
    shutil.copy(tmp_path / "kept", closed)
    compact(site.home)
    assert len(list_predictions(site, people.viewer, "fuel")) == 1


def test_what_a_killed_recorder_left_open_is_compacted_and_a_torn_line_is_left_out(site: Site, people: People) -> None:
    left_open = spool_folder(site.home) / "20300101T12-1.open"
    left_open.parent.mkdir()
    left_open.write_bytes(frame(people, record()) + frame(people, record(number=1))[:-20])
    assert len(list_predictions(site, people.viewer, "fuel")) == 1
    Spool(spool_folder(site.home))
    assert compact(site.home) == 1


def test_predictions_are_listed_newest_first_over_hours_and_files(site: Site, people: People) -> None:
    hours = [HOUR.replace(hour=hour) for hour in (9, 10, 11)]
    write(site, *(frame(people, record(hour)) for hour in hours[:2])).close()
    compact(site.home)
    opened = write(site, frame(people, record(hours[2])), frame(people, record(hours[2]), service="bus"))
    wanted = [prediction_id(hour) for hour in reversed(hours)]
    assert [each.id for each in list_predictions(site, people.viewer, "fuel")] == wanted
    assert [each.id for each in list_predictions(site, people.viewer, "fuel", limit=2)] == wanted[:2]
    older = list_predictions(site, people.viewer, "fuel", before=wanted[1])
    assert [each.id for each in older] == wanted[2:]
    opened.close()


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", "A", ".", "x" * 64])
def test_a_name_that_is_no_name_never_becomes_a_path(people: People, name: str) -> None:
    assert list(predictions_in(frame(people, record(), service=name))) == []
    assert list(predictions_in(frame(people, record(), namespace=name))) == []


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"1", b'{"schema_version": 2}', b'{"schema_version": 1, "records": [[1]]}', b"\xff\xfe"],
)
def test_a_line_that_is_no_frame_gives_nothing(line: bytes) -> None:
    assert list(predictions_in(line)) == []


@pytest.mark.parametrize("changes", [{"time_ns": "x"}, {"status": None}, {"time_ns": 10**30}])
def test_a_record_that_is_none_is_left_out_and_its_neighbours_are_kept(people: People, changes: dict[str, Any]) -> None:
    found = list(predictions_in(frame(people, record(**changes), record(number=1))))
    assert [each.id for each in found] == [prediction_id(HOUR, 1)]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"instances": [{"a": 1}]}, [{"a": 1}]),
        ({"instances": [[1]]}, [[1]]),
        ({"inputs": [[1]]}, [[1]]),
        ({"inputs": {"a": [1, 2], "b": [3, 4]}}, [{"a": 1, "b": 3}, {"a": 2, "b": 4}]),
        ({"text": "{"}, {"text": "{"}),
        ([[1]], [[1]]),
    ],
)
def test_a_request_is_kept_by_its_instances_however_it_was_written(people: People, inputs: Any, expected: Any) -> None:
    (found,) = predictions_in(frame(people, record(inputs=inputs, outputs={"predictions": [7.5], "id": "x"})))
    assert (found.inputs, found.outputs) == (expected, [[7.5]])


@pytest.mark.parametrize("wrong", ["", "x", "../x", "6c84fb90-12c4-11e1-840d-7b25c5ee775a"])
def test_what_is_no_prediction_id_is_told(site: Site, people: People, wrong: str) -> None:
    with pytest.raises(InvalidInput):
        find_prediction(site, people.viewer, wrong)


def test_an_unknown_prediction_is_not_found(site: Site, people: People) -> None:
    with pytest.raises(NotFound):
        find_prediction(site, people.viewer, prediction_id(HOUR, 7))


def test_on_a_full_disk_frames_are_dropped_and_counted(
    site: Site, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "FREE_FLOOR_BYTES", 1 << 62)
    opened = Spool(spool_folder(site.home))
    opened.tick()
    opened.append(frame(people, record()) * 2)
    assert opened.dropped_frames == 2
    assert list_predictions(site, people.viewer, "fuel") == []


def test_a_spool_file_that_is_large_enough_is_closed(
    site: Site, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_BYTES", 100)
    opened = write(site, frame(people, record()))
    assert opened.tick()
    assert len(closed_spools(spool_folder(site.home))) == 1
