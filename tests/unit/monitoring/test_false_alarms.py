"""How often drift is said of traffic that has none, and whether it is said of traffic that has: simulated, seeded."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.unit.monitoring.traffic import Row, car, consumption, document_of

from tidemill.monitoring.model import Prediction
from tidemill.monitoring.rules import AlertKind, Rules
from tidemill.monitoring.statistics import find_statistics
from tidemill.monitoring.windows.bucket import Bucket
from tidemill.monitoring.windows.inspect import Inspection, Reference, inspect

WINDOWS = 120
RULES = Rules(min_rows=30)


def reference(seed: int, rows: int = 250) -> Reference:
    """What 250 rows of the same source look like."""
    source = random.Random(seed)
    return Reference(document=document_of([car(source) for _ in range(rows)]), metrics={})


def window(rows: list[Row], held: Reference) -> Inspection:
    bucket = Bucket()
    for row in rows:
        bucket.add(_prediction(row), frozenset())
    return inspect(bucket, held, {}, RULES, find_statistics(()))


def _prediction(row: Row) -> Prediction:
    from tests.unit.monitoring.traffic import START

    names = ("id", "namespace_id", "namespace", "service", "service_id", "revision_id", "revision", "model_version_id")
    return Prediction(
        **dict.fromkeys(names, "x"),
        time=START,
        protocol="v1",
        status=200,
        latency_us=900,
        inputs=[row],
        outputs=[[consumption(row)]],
        error=None,
        request_id="r",
    )


def alarms(found: Inspection) -> list[tuple[str, str]]:
    return [(each.name, each.feature) for each in found.findings if each.breached and each.kind is AlertKind.DRIFT]


@pytest.mark.parametrize("size", [30, 60, 250])
def test_traffic_like_the_reference_drifts_in_less_than_one_window_of_a_hundred(size: int) -> None:
    source = random.Random(size)
    wrong = []
    for number in range(WINDOWS):
        held = reference(number // 10)
        found = window([car(source) for _ in range(size)], held)
        wrong += [each for each in found.findings if each.breached]
    # one alarm of 120 is what chance may give; two in a row, which an alert needs, would be one in 10,000
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize(("size", "moved_by"), [(60, 600.0), (250, 400.0), (1000, 350.0)])
def test_a_shift_is_found_in_nine_windows_of_ten(size: int, moved_by: float) -> None:
    source = random.Random(size)
    held, hits = reference(3), 0
    for _ in range(20):
        rows = [car(source) for _ in range(size)]
        hits += ("drift", "weight") in alarms(
            window([{**row, "weight": row["weight"] - moved_by} for row in rows], held)
        )
    assert hits >= 18


def test_without_the_correction_small_windows_would_all_seem_to_drift() -> None:
    """The guard of the guard: plain PSI of 30 rows is above its usual mark without any drift."""
    source, held = random.Random(5), reference(5)
    plain: list[Any] = []
    for _ in range(20):
        report = window([car(source) for _ in range(30)], held).report["columns"][0]
        bins = len(report["counts"])
        by_chance = (bins - 1) * (1 / 30 + 1 / 250)
        plain.append(report["effect"] + by_chance)
    assert sum(each >= 0.2 for each in plain) >= 15
