"""The smoke test of a started predictor: it answers the recorded sample as it did when it was made."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tidemill.base.errors import RunFailed
from tidemill.serving.unix_http import ask

TIMEOUT_SECONDS = 30.0
RELATIVE_TOLERANCE = 1e-6
ABSOLUTE_TOLERANCE = 1e-9


def smoke_test(socket: Path, model_name: str, document: dict[str, Any]) -> None:
    """Ask the predictor on `socket` for the sample in `model.json`; `RunFailed` when it answers differently.

    A package without a sample is asked for its metadata only.
    """
    sample = document.get("sample") or {}
    inputs, expected = sample.get("inputs") or {}, sample.get("outputs")
    if not inputs or expected is None:
        answer = ask(socket, "GET", f"/v1/models/{model_name}", timeout_seconds=TIMEOUT_SECONDS)
        _demand(answer.status == 200, f"it answers {answer.status} to a question for its model")
        return
    rows = [dict(zip(inputs, values, strict=True)) for values in zip(*inputs.values(), strict=True)]
    body = json.dumps({"instances": rows}).encode()
    target = f"/v1/models/{model_name}:predict"
    answer = ask(socket, "POST", target, body=body, timeout_seconds=TIMEOUT_SECONDS)
    text = answer.body.decode("utf-8", "replace")
    _demand(answer.status == 200, f"it answers {answer.status} to its recorded sample: {text[:300]}")
    found = json.loads(text)["predictions"]
    wanted = expected if isinstance(expected, list) else next(iter(expected.values()))
    _demand(_alike(found, wanted), f"it answers {str(found)[:200]} where {str(wanted)[:200]} was recorded")


def _alike(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(_alike(a, b) for a, b in zip(found, wanted, strict=True))
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return math.isclose(found, wanted, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)
    return bool(found == wanted)


def _demand(condition: bool, message: str) -> None:
    if not condition:
        raise RunFailed(f"the smoke test of the predictor failed: {message}", remedy="the old revision serves on")
