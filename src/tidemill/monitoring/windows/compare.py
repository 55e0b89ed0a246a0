"""One column of a window beside its reference: counts in the same bins, statistics, and whether it drifted."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from math import nextafter
from typing import Any

from tidemill.monitoring.rules import Rules
from tidemill.monitoring.statistics import DriftStatistic, TwoSamples, significance_test
from tidemill.monitoring.windows.plain_text import plain_text
from tidemill_runtime.reference_profile import category_of

LEAST_EXPECTED = 5.0
"""Categories of which fewer are expected in a window are tested together (Cochran, 1954)."""

OTHER = "(others)"
MOST_SHOWN = 20


def compare(
    values: Sequence[Any], profile: Mapping[str, Any], statistics: Sequence[DriftStatistic], rules: Rules
) -> dict[str, Any]:
    """What is shown of a column: `reference` and `counts` over the same bins, and each statistic with its p-value.

    `effect` and `p_value` are what decides about drift: the statistic of the rules, and the test of the kind; None
    where either side has no values.
    """
    known = [value for value in values if value is not None]
    numeric = profile["kind"] == "numeric"
    samples, shown = (_numeric if numeric else _categorical)(known, profile)
    report: dict[str, Any] = {"kind": profile["kind"], "datatype": profile["datatype"], **shown}
    report |= {"rows": len(values), "missing": len(values) - len(known)}
    report |= {"reference_rows": profile["count"], "reference_missing": profile["missing"]}
    measured = {}
    if samples.rows and samples.reference_rows:
        measured = {each.name: each.measure(samples) for each in statistics if each.applies(samples.kind)}
    report["statistics"] = {
        name: {"value": each.value, "p_value": each.p_value} for name, each in sorted(measured.items())
    }
    deciding, test = measured.get(rules.statistic), measured.get(significance_test(samples.kind))
    report["effect"] = None if deciding is None else deciding.value
    report["p_value"] = None if test is None else test.p_value
    return report


def _numeric(known: Sequence[float], profile: Mapping[str, Any]) -> tuple[TwoSamples, dict[str, Any]]:
    edges, reference = list(profile["edges"]), list(profile["counts"])
    if len(edges) == 1:  # a constant: what is below and above it is what matters
        edges, reference = [edges[0], edges[0]], [0, reference[0], 0]
        inner = [edges[0], nextafter(edges[0], float("inf"))]
    else:
        inner = edges[1:-1]
    counts = [0] * len(reference)
    if counts:
        for value, count in Counter(known).items():
            counts[bisect_right(inner, value)] += count
    samples = TwoSamples(
        kind="numeric",
        reference_counts=reference,
        counts=counts,
        sketch=profile["sketch"],
        values=known,
        scale=profile["std"] or 0.0,
    )
    shown: dict[str, Any] = {"edges": edges, "reference": reference, "counts": counts}
    shown |= {"min": min(known, default=None), "max": max(known, default=None)}
    return samples, shown


def _categorical(known: Sequence[Any], profile: Mapping[str, Any]) -> tuple[TwoSamples, dict[str, Any]]:
    before: dict[str, int] = dict(profile["counts"])
    after = Counter(category_of(value) for value in known)
    labels = list(before)
    reference = [*before.values(), int(profile["other"])]
    counts = [*(after.get(label, 0) for label in labels)]
    counts.append(len(known) - sum(counts))
    pooled = _pooled(reference, counts)
    samples = TwoSamples(kind="categorical", reference_counts=pooled[0], counts=pooled[1])
    shown_labels = [plain_text(label) for label in labels[:MOST_SHOWN]]
    return samples, {
        "labels": [*shown_labels, OTHER],
        "reference": [*reference[: len(shown_labels)], sum(reference[len(shown_labels) :])],
        "counts": [*counts[: len(shown_labels)], sum(counts[len(shown_labels) :])],
    }


def _pooled(reference: Sequence[int], counts: Sequence[int]) -> tuple[list[int], list[int]]:
    """Both counts with the rare categories, by what is expected in the window, as one."""
    total, rows = sum(reference) + sum(counts), sum(counts)
    pairs = sorted(zip(reference, counts, strict=True), key=lambda pair: -sum(pair))
    kept: list[tuple[int, int]] = []
    rest = (0, 0)
    for before, after in pairs:
        if total and (before + after) * rows / total >= LEAST_EXPECTED:
            kept.append((before, after))
        else:
            rest = (rest[0] + before, rest[1] + after)
    if kept and total and 0 < sum(rest) * rows / total < LEAST_EXPECTED:
        rest = (rest[0] + kept[-1][0], rest[1] + kept[-1][1])
        kept.pop()
    found = [*kept, rest] if sum(rest) else kept
    return [before for before, _ in found], [after for _, after in found]
