"""What predictors send: one JSON line per frame, records as lists; checked before anything becomes a file name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tidemill.monitoring.model import Prediction
from tidemill_runtime.predict.log_fields import FIELDS

SCHEMA_VERSION = 1
SOURCE = ("namespace_id", "namespace", "service", "service_id", "revision_id", "revision", "model_version_id")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def predictions_in(line: bytes) -> Iterator[Prediction]:
    """The records of one frame; a line that is none gives nothing: models are foreign code and may write any."""
    try:
        frame = json.loads(line)
    except ValueError:
        return
    if not isinstance(frame, dict) or frame.get("schema_version") != SCHEMA_VERSION:
        return
    source = {name: str(frame.get(name, "")) for name in SOURCE}
    if not _NAME.fullmatch(source["namespace"]) or not _NAME.fullmatch(source["service"]):
        return
    for values in frame.get("records") or ():
        found = _prediction(source, values)
        if found is not None:
            yield found


def _prediction(source: dict[str, str], values: Any) -> Prediction | None:
    if not isinstance(values, list) or len(values) != len(FIELDS):
        return None
    record = dict(zip(FIELDS, values, strict=True))
    try:
        return Prediction(
            id=str(record["id"]),
            time=datetime.fromtimestamp(int(record["time_ns"]) / 1e9, UTC),
            protocol=str(record["protocol"]),
            status=int(record["status"]),
            latency_us=int(record["latency_us"]),
            inputs=_instances(record["inputs"]) if record["protocol"] == "v1" else record["inputs"],
            outputs=_predictions(record["outputs"]),
            error=None if record["error"] is None else str(record["error"]),
            request_id=None if record["request_id"] is None else str(record["request_id"]),
            **source,
        )
    except (ValueError, TypeError, OverflowError):
        return None


def _instances(inputs: Any) -> Any:
    """The instances of a V1 request, row by row, however it wrote them."""
    if not isinstance(inputs, dict):
        return inputs
    given = inputs.get("instances", inputs.get("inputs", inputs))
    if given is inputs or not isinstance(given, dict):
        return given
    return [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=False)]


def _predictions(outputs: Any) -> Any:
    return [outputs["predictions"]] if isinstance(outputs, dict) and "predictions" in outputs else outputs
