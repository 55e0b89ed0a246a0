"""Ground truth: late, unknown, twice, contradicting; by id, request or key; and what it says of the predictions."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FixedClock, People, people_of
from tests.unit.monitoring.test_windows import SOURCE, advance, set_rules, windows
from tests.unit.monitoring.traffic import START, FixedSource, Stage, car, consumption, document_of, open_stage

from tidemill.base.errors import Forbidden, InvalidInput, NotFound, TidemillError, TooLarge
from tidemill.base.repeats import recorded
from tidemill.base.site import Site
from tidemill.monitoring.rules import AlertKind, Rules, Task
from tidemill.monitoring.truth import Delivery, TruthItem
from tidemill.monitoring.truth.deliver import MOST_ITEMS, deliver_truth
from tidemill.monitoring.truth.match import match
from tidemill.monitoring.truth.read_file import read_truth_file
from tidemill.monitoring.windows import Window
from tidemill.monitoring.windows.performance import metrics_of, usable

HOUR = timedelta(hours=1)


@pytest.fixture
def people(still_site: Site) -> People:
    return people_of(still_site)


@pytest.fixture
def stage(still_site: Site, people: People) -> Stage:
    return open_stage(still_site, people)


def deliver(stage: Stage, *items: TruthItem, source: FixedSource = SOURCE) -> Delivery:
    return deliver_truth(stage.site, stage.people.author, "fuel", items, source=source, match=match)


def by_id(prediction_id: str, value: Any, row: int = 0) -> TruthItem:
    return TruthItem(prediction_id=prediction_id, value=value, row=row)


def counts(delivery: Delivery) -> tuple[int, int, int, int]:
    return delivery.new, delivery.repeated, delivery.corrected, delivery.unknown


def performance(window: Window) -> dict[str, Any]:
    found: dict[str, Any] = window.report["performance"]
    return found


def test_truth_that_comes_weeks_late_is_computed_into_the_window_of_its_prediction(
    stage: Stage, clock: FixedClock
) -> None:
    rows = stage.cars(60)
    ids = stage.send(rows, START)
    stage.send(stage.cars(60), START + HOUR)
    before = advance(stage, clock)
    clock.advance(30 * 86_400)
    done = deliver(stage, *(by_id(each, consumption(row) + 3.0) for each, row in zip(ids, rows, strict=True)))
    assert counts(done) == (60, 0, 0, 0)
    after, other = advance(stage, clock)
    assert (after.id, after.truths, other) == (before[0].id, 60, before[1])
    metrics = performance(after)["metrics"]
    assert metrics["mae"] == pytest.approx(3.0)
    assert metrics["rmse"] == pytest.approx(3.0)
    assert metrics["bias"] == pytest.approx(-3.0)
    assert (performance(after)["metric"], performance(after)["baseline"]) == ("mae", 2.5)
    assert [each.name for each in after.findings] == []


def test_an_error_that_doubled_since_the_approval_is_found(stage: Stage, clock: FixedClock) -> None:
    source, rows = random.Random(2), stage.cars(80)
    ids = stage.send(rows, START)
    deliver(
        stage, *(by_id(each, consumption(row) + source.choice([-5, 5])) for each, row in zip(ids, rows, strict=True))
    )
    (window,) = advance(stage, clock)
    (found,) = [each for each in window.findings if each.kind is AlertKind.PERFORMANCE]
    assert found.breached
    assert found.value == pytest.approx(5.0)
    assert found.threshold == pytest.approx(3.75)


def test_few_truths_give_figures_and_no_verdict(stage: Stage, clock: FixedClock) -> None:
    ids = stage.send(stage.cars(80), START)
    deliver(stage, *(by_id(each, 0.0) for each in ids[:3]))
    (window,) = advance(stage, clock)
    assert performance(window)["rows"] == 3
    assert "performance" not in window.judged


def test_unknown_twice_and_contradicting_are_counted_and_told(stage: Stage, clock: FixedClock) -> None:
    ids = stage.send(stage.cars(3), START)
    unknown = "01a1fa7d-6ac7-7000-930b-b2df75070a36"
    first = deliver(stage, by_id(ids[0], 20.0), by_id(ids[1], 21), by_id(unknown, 1.0), by_id("\x1b[31m", 1.0))
    assert (counts(first), first.unknown_names) == ((2, 0, 0, 2), (unknown, "�[31m"))
    again = deliver(stage, by_id(ids[0], 20.0), by_id(ids[1], 21.0))
    assert counts(again) == (0, 2, 0, 0)
    other = deliver(stage, by_id(ids[0], 25.0), by_id(ids[2], 1), by_id(ids[2], 2))
    assert counts(other) == (1, 0, 2, 0)
    assert [(each.was, each.now) for each in other.corrections] == [(20.0, 25.0), (1, 2)]
    assert counts(deliver(stage, by_id(ids[0], 25.0), by_id(ids[2], 2))) == (0, 2, 0, 0)
    (window,) = advance(stage, clock)
    assert window.truths == 3


def test_a_name_that_tells_a_time_without_end_is_no_more_than_unknown(stage: Stage) -> None:
    (known,) = stage.send(stage.cars(1), START)
    late = [f"{time}-7000-8000-000000000000" for time in ("e677d21f-dbff", "ffffffff-ffff", "00000000-0000")]
    told = deliver(stage, by_id(known, 20.0), *(by_id(each, 1.0) for each in late))
    assert (counts(told), told.unknown_names) == ((1, 0, 0, 3), tuple(late))


def test_a_correction_changes_the_figures_of_its_window(stage: Stage, clock: FixedClock) -> None:
    rows = stage.cars(60)
    ids = stage.send(rows, START)
    deliver(stage, *(by_id(each, consumption(row)) for each, row in zip(ids, rows, strict=True)))
    (before,) = advance(stage, clock)
    deliver(stage, by_id(ids[0], consumption(rows[0]) + 60))
    (after,) = advance(stage, clock)
    assert performance(before)["metrics"]["mae"] == pytest.approx(0.0)
    assert performance(after)["metrics"]["mae"] == pytest.approx(1.0)


def test_truth_also_comes_into_windows_that_are_counted_in_rows(stage: Stage, clock: FixedClock) -> None:
    set_rules(stage, Rules(window_rows=30, min_rows=10))
    rows = stage.cars(70)
    ids = stage.send(rows, START, every=timedelta(hours=3))
    clock.advance(20 * 86_400)
    before = advance(stage, clock)
    deliver(stage, *(by_id(each, consumption(row) + 1) for each, row in zip(ids[30:60], rows[30:60], strict=True)))
    after = advance(stage, clock)
    assert [each.truths for each in after] == [0, 30, 0]
    assert [each.id for each in after] == [each.id for each in before]


def test_a_row_of_a_request_is_named_by_its_number(stage: Stage, clock: FixedClock) -> None:
    (one,) = stage.send([{}], START, inputs=stage.cars(3), outputs=[[1.0, 2.0, 3.0]], answer=lambda _: 0.0)
    assert counts(deliver(stage, by_id(one, 5.0, row=2), by_id(one, 5.0, row=3))) == (1, 0, 0, 1)


def test_a_request_that_was_refused_has_no_truth(stage: Stage) -> None:
    (one,) = stage.send(stage.cars(1), START, status=400, outputs=None)
    assert counts(deliver(stage, by_id(one, 5.0))) == (0, 0, 0, 1)


def test_by_request_id_the_newest_answer_of_each_revision_is_meant(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(2), START, request_id="order-7")
    stage.revise()
    stage.send(stage.cars(1), START, request_id="order-7")
    deliver(stage, TruthItem(request_id="order-7", value=20.0), TruthItem(request_id="order-8", value=20.0))
    assert sorted(each.truths for each in advance(stage, clock)) == [1, 1]


def test_by_key_the_newest_prediction_until_then_is_meant(stage: Stage, clock: FixedClock) -> None:
    rows = [{**row, "year": 71} for row in stage.cars(1)]
    stage.send(rows, START)
    stage.send(rows, START + 2 * HOUR)
    with pytest.raises(InvalidInput, match="no key column"):
        deliver(stage, TruthItem(key="71", value=1.0))
    set_rules(stage, Rules(key="year"))
    deliver(stage, TruthItem(key="71", value=1.0, time=START + HOUR), TruthItem(key="99", value=1.0))
    assert [each.truths for each in advance(stage, clock)] == [1, 0]
    deliver(stage, TruthItem(key="71", value=1.0))
    assert [each.truths for each in advance(stage, clock)] == [1, 1]


def test_errors_are_told_apart_by_the_values_of_a_column(stage: Stage, clock: FixedClock) -> None:
    set_rules(stage, Rules(slices=("origin", "weight", "gone")))
    rows = [{**row, "origin": "japan" if place % 2 else "usa"} for place, row in enumerate(stage.cars(60))]
    ids = stage.send(rows, START)
    truths = [consumption(row) + (4.0 if row["origin"] == "japan" else 0.0) for row in rows]
    deliver(stage, *(by_id(each, value) for each, value in zip(ids, truths, strict=True)))
    (window,) = advance(stage, clock)
    found = {(each["column"], each["value"]): each for each in performance(window)["slices"]}
    assert found["origin", "japan"]["metrics"]["mae"] == pytest.approx(4.0)
    assert found["origin", "usa"]["metrics"]["mae"] == pytest.approx(0.0)
    assert sum(each["rows"] for (column, _), each in found.items() if column == "weight") == 60
    assert len([column for column, _ in found if column == "weight"]) == 4


def test_labels_are_judged_as_labels(stage: Stage, clock: FixedClock) -> None:
    source = FixedSource(document_of([car(random.Random(n)) for n in range(100)], answer=lambda row: row["origin"]))
    rows = stage.cars(60)
    ids = stage.send(rows, START, answer=lambda row: row["origin"])
    wrong = [by_id(each, "mars" if place < 15 else rows[place]["origin"]) for place, each in enumerate(ids)]
    deliver(stage, *wrong, source=source)
    (window,) = advance(stage, clock, source=source)
    assert performance(window)["task"] == "classification"
    assert performance(window)["metrics"]["accuracy"] == pytest.approx(0.75)
    assert performance(window)["baseline"] is None


def test_metrics_are_those_of_the_textbook() -> None:
    pairs = [(1.0, 2.0), (3.0, 3.0), (5.0, 4.0), (7.0, 8.0)]
    found = metrics_of(Task.REGRESSION, pairs)
    assert found == {
        "mae": 0.75,
        "rmse": pytest.approx(0.75**0.5),
        "bias": -0.25,
        "r2": pytest.approx(1 - 3 / 20.75),
    }
    labels = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b")]
    assert metrics_of(Task.CLASSIFICATION, labels) == {"accuracy": 0.75, "f1": pytest.approx((2 / 3 + 4 / 5) / 2)}
    chances = [usable(Task.CLASSIFICATION, "FP64", 0.9, True), usable(Task.CLASSIFICATION, "FP64", 0.2, "0")]
    assert metrics_of(Task.CLASSIFICATION, [each for each in chances if each])["log_loss"] == pytest.approx(
        0.1643, 1e-3
    )
    assert "r2" not in metrics_of(Task.REGRESSION, [(1.0, 2.0)])


@pytest.mark.parametrize(
    ("datatype", "answer", "truth", "expected"),
    [
        ("INT64", 1, "1", ("1", "1")),
        ("INT64", 1, 1.0, ("1", "1")),
        ("BOOL", True, "FALSE", ("1", "0")),
        ("BOOL", True, 1, ("1", "1")),
        ("BYTES", "a", 7, ("a", "7")),
        ("FP64", 0.5, "maybe", None),
    ],
)
def test_labels_are_compared_whatever_they_were_written_as(
    datatype: str, answer: Any, truth: Any, expected: Any
) -> None:
    assert usable(Task.CLASSIFICATION, datatype, answer, truth) == expected


def test_a_truth_that_is_no_number_is_counted_and_left_out(stage: Stage, clock: FixedClock) -> None:
    ids = stage.send(stage.cars(60), START)
    deliver(stage, by_id(ids[0], "unknown"), by_id(ids[1], 10**400), *(by_id(each, 20) for each in ids[2:]))
    (window,) = advance(stage, clock)
    assert (performance(window)["rows"], performance(window)["unusable"]) == (58, 2)


@pytest.mark.parametrize(
    ("item", "place"),
    [
        (TruthItem(value=1.0), "items.0"),
        (TruthItem(value=1.0, prediction_id="a", key="b"), "items.0"),
        (TruthItem(value=float("nan"), prediction_id="a"), "items.0.value"),
        (TruthItem(value="x" * 2000, prediction_id="a"), "items.0.value"),
        (TruthItem(value="\0", prediction_id="a"), "items.0.value"),
        (TruthItem(value=1.0, key="a", time=datetime(2030, 1, 1)), "items.0.time"),  # noqa: DTZ001 -- the wrong input
        (TruthItem(value=1.0, prediction_id="a", row=-1), "items.0"),
    ],
)
def test_an_item_that_says_nothing_is_refused_with_its_place(stage: Stage, item: TruthItem, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        deliver(stage, item)
    assert caught.value.place == place


def test_who_may_not_write_delivers_no_truth_and_a_batch_has_an_end(stage: Stage) -> None:
    for actor, name, items, error in (
        (stage.people.viewer, "fuel", [], Forbidden),
        (stage.people.author, "no", [], NotFound),
        (stage.people.author, "fuel", [by_id("a", 1)] * (MOST_ITEMS + 1), TooLarge),
    ):
        with pytest.raises(error):
            deliver_truth(stage.site, actor, name, items, source=SOURCE, match=match)


def test_a_repeated_request_tells_what_the_first_one_did(stage: Stage) -> None:
    class Kept:
        """What a request remembers of its first attempt."""

        done: list[tuple[str, str]] = []  # noqa: RUF012 -- of this one test

        def note(self, connection: Any, kind: str, subject_id: str) -> None:
            self.done.append((kind, subject_id))

    ids = stage.send(stage.cars(2), START)
    record = Kept()
    with recorded(record):
        first = deliver(stage, by_id(ids[0], 1.0), by_id("x", 1.0))
        assert deliver(stage, by_id(ids[0], 1.0), by_id("x", 1.0)) == first


def test_in_a_process_of_its_own_the_same_is_found(stage: Stage) -> None:
    ids = stage.send(stage.cars(2), START)
    items = [by_id(ids[0], 1.0), TruthItem(request_id="r-2", value=2.0), by_id("x", 1.0)]
    done = deliver_truth(stage.site, stage.people.author, "fuel", items, source=SOURCE)
    assert counts(done) == (2, 0, 0, 1)


def write(folder: Path, text: str) -> Path:
    path = folder / "truth.csv"
    path.write_text(text)
    return path


def test_a_file_is_read_by_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "prediction_id,mpg,prediction_row\np1,20.5,0\np2,,0\np3,21,4\n")
    assert list(read_truth_file(path, value="mpg")) == [
        {"prediction_id": "p1", "value": 20.5, "row": 0},
        {"prediction_id": "p3", "value": 21, "row": 4},
    ]
    path = write(tmp_path, 'car,value,time\n7,true,2030-01-01\n"8,""x""",no,\n')
    assert list(read_truth_file(path, value="value", key="car")) == [
        {"key": "7", "value": True, "time": datetime(2030, 1, 1, tzinfo=UTC).isoformat()},
        {"key": '8,"x"', "value": "no"},
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a,b\n1,2\n", "truth.csv"),
        ("prediction_id,b\n1,2\n", "truth.csv"),
        ("prediction_id,value,row\n1,2,x\n", "truth.csv:2: row"),
        ("", "truth.csv"),
    ],
)
def test_a_file_that_says_nothing_is_refused_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(read_truth_file(write(tmp_path, text), value="value"))
    assert (caught.value.place or "").endswith(place)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"PAR1"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("x.csv", "x.parquet", "gone.csv"):
        path = tmp_path / name
        if name != "gone.csv":
            path.write_bytes(content)
        with pytest.raises(TidemillError):
            list(read_truth_file(path, value="value"))


def test_windows_are_left_alone_by_truth_of_another_service(stage: Stage, clock: FixedClock) -> None:
    stage.send(stage.cars(60), START)
    advance(stage, clock)
    before = windows(stage)
    deliver(stage, by_id("x", 1.0))
    assert advance(stage, clock) == before
