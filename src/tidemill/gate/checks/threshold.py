"""The check of metrics against their limits."""

from __future__ import annotations

import math
from typing import Any

from tidemill.gate.checks.contract import CheckContext
from tidemill.gate.model import CheckResult, CheckState
from tidemill.gate.policy import Threshold


class ThresholdCheck:
    """Every metric that the policy names is there, is a number, and lies within its limits."""

    @property
    def name(self) -> str:
        return "threshold"

    def run(self, context: CheckContext) -> CheckResult:
        lines = [_line(threshold, context.version.metrics) for threshold in context.policy.thresholds]
        failed = [line for line in lines if not line["passed"]]
        if failed:
            summary = "; ".join(_sentence(line) for line in failed)
            return CheckResult(state=CheckState.FAILED, summary=summary, evidence={"thresholds": lines})
        summary = "; ".join(_sentence(line) for line in lines) or "no threshold asked for"
        return CheckResult(state=CheckState.PASSED, summary=summary, evidence={"thresholds": lines})


def _line(threshold: Threshold, metrics: dict[str, float]) -> dict[str, Any]:
    value = metrics.get(threshold.metric)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    passed = (
        usable
        and value is not None
        and (threshold.min is None or value >= threshold.min)
        and (threshold.max is None or value <= threshold.max)
    )
    return {
        "metric": threshold.metric,
        "value": value if usable else None,
        "min": threshold.min,
        "max": threshold.max,
        "passed": passed,
    }


def _sentence(line: dict[str, Any]) -> str:
    if line["value"] is None:
        return f"{line['metric']} was not recorded as a finite number"
    low = "" if line["min"] is None else f"{line['min']:g} ≤ "
    high = "" if line["max"] is None else f" ≤ {line['max']:g}"
    verdict = "" if line["passed"] else " does not hold"
    return f"{low}{line['metric']} {line['value']:.6g}{high}{verdict}"
