"""Prediction ids are UUIDv7, unique, and sort by time."""

from __future__ import annotations

import time
import uuid

from tidemill_runtime.predict.request_ids import PredictionIds


def test_ids_are_version_7_unique_and_rise() -> None:
    ids = PredictionIds()
    made = [ids.new() for _ in range(20_000)]
    assert made == sorted(set(made))
    first = uuid.UUID(made[0])
    assert first.version == 7
    assert first.variant == uuid.RFC_4122
    assert abs((first.int >> 80) / 1000 - time.time()) < 5
