"""The verb inspect: what is shown of the records of one window, and what the rules find in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.monitoring.rules import AlertKind, Rules
from tidemill.monitoring.statistics import DriftStatistic
from tidemill.monitoring.windows.bucket import MOST_REFUSALS, Bucket
from tidemill.monitoring.windows.columns import Layout, plain, rows_in
from tidemill.monitoring.windows.compare import compare
from tidemill.monitoring.windows.model import Finding
from tidemill.monitoring.windows.performance import (
    HIGHER_IS_BETTER,
    Judged,
    chosen_metric,
    loss_of,
    metrics_of,
    slices_of,
    task_of,
    usable,
)
from tidemill.monitoring.windows.plain_text import plain_text
from tidemill.monitoring.windows.quality import Problem, problems_of

HYSTERESIS = 0.8
"""What was wrong is well again below this part of its threshold."""

ONE_SIDED_5_PERCENT = 1.645
COLUMN_PROBLEMS = ("vanished", "missing", "constant", "out-of-range", "new-category")
PREDICTION = "prediction"
Truths = Mapping[str, Mapping[int, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a revision is held against: the `model.json` of its proven package and its metrics at the approval.

    `document` is None where there is none, and `note` says why.
    """

    document: Mapping[str, Any] | None
    metrics: Mapping[str, float]
    note: str = ""


@dataclass(slots=True)
class Inspection:
    """What came out: see `Window`."""

    report: dict[str, Any]
    judged: list[str]
    findings: list[Finding]
    truths: int = 0


def inspect(
    bucket: Bucket, reference: Reference, truths: Truths, rules: Rules, statistics: Sequence[DriftStatistic]
) -> Inspection:
    """Look at requests, columns, predictions and, where truth has come, at the errors."""
    latencies = bucket.latencies_ms()
    found = Inspection({"schema_version": 1, "requests": _requests(bucket, latencies), "note": ""}, [], [])
    if bucket.records >= rules.min_rows:
        _judge_requests(bucket, latencies, rules, found)
    document = reference.document
    if document is None or document["reference_profile"].get("schema_version", 1) < 2:
        found.report["note"] = reference.note or "the model package has no reference profile that drift needs"
        return found
    if bucket.rows < rules.min_rows:
        found.report["note"] = f"not enough rows: {bucket.rows} of {rules.min_rows}"
    _look_at_columns(bucket, document, rules, statistics, found)
    _look_at_errors(bucket, reference, truths, rules, found)
    return found


def _requests(bucket: Bucket, latencies: Sequence[float]) -> dict[str, Any]:
    shown = bucket.refusals.most_common(MOST_REFUSALS)
    return {
        "count": bucket.records,
        "rows": bucket.rows,
        "rejected": bucket.rejected,
        "failed": bucket.failed,
        "refusals": [{"error": plain_text(error, 200), "count": count} for error, count in shown],
        "latency_ms": {f"p{part}": _quantile(latencies, part / 100) for part in (50, 95, 99)},
    }


def _judge_requests(bucket: Bucket, latencies: Sequence[float], rules: Rules, found: Inspection) -> None:
    looks = [
        (AlertKind.HEALTH, "errors", bucket.failed / bucket.records, rules.error_rate),
        (AlertKind.QUALITY, "rejected", bucket.rejected / bucket.records, rules.rejected_share),
    ]
    if rules.latency_p95_ms and latencies:
        looks.append((AlertKind.HEALTH, "latency", _quantile(latencies, 0.95) or 0.0, rules.latency_p95_ms))
    for kind, name, value, threshold in looks:
        found.judged.append(name)
        _find(found, kind, (name, ""), value, threshold)


def _find(
    found: Inspection, kind: AlertKind, about: tuple[str, str], value: float, threshold: float, *, sure: bool = True
) -> None:
    """Note a value that is at its threshold, breached when it is no chance (`sure`), or surely near it."""
    if value >= threshold or (sure and value >= threshold * HYSTERESIS):
        name, feature = about
        breached = sure and value >= threshold
        found.findings.append(
            Finding(kind=kind, name=name, feature=feature, value=value, threshold=threshold, breached=breached)
        )


def _look_at_columns(
    bucket: Bucket,
    document: Mapping[str, Any],
    rules: Rules,
    statistics: Sequence[DriftStatistic],
    found: Inspection,
) -> None:
    layout, profile = Layout(document), document["reference_profile"]
    rows = rows_in(layout, bucket.sample)
    is_judged = len(rows.keys) >= rules.min_rows
    tests = max(1, len(profile["inputs"]) + len(profile["outputs"]))
    chance = rules.significance / tests
    columns = []
    for name, values in rows.columns.items():
        about = profile["inputs"].get(name)
        if about is None:
            continue
        report = {"name": plain_text(name), **compare(values, about, statistics, rules)}
        problems = list(problems_of(values, about)) if values else []
        report["problems"] = [_shown(each) for each in problems]
        report["drifted"] = _drifted(report, rules, chance) if is_judged else None
        columns.append(report)
        if is_judged:
            _judge_column(report, problems, rules, chance, found)
    found.report["columns"] = columns
    output = next(iter(profile["outputs"].values()), None)
    found.report["prediction"] = None
    if output is not None:
        answers = [plain(answer, output["datatype"]) for answer in rows.answers]
        report = {"name": PREDICTION, **compare(answers, output, statistics, rules), "problems": []}
        report["drifted"] = _drifted(report, rules, chance) if is_judged else None
        found.report["prediction"] = report
        if is_judged:
            _judge_drift("prediction-drift", report, rules, chance, found)
    if is_judged:
        found.judged += ["drift", "prediction-drift", *COLUMN_PROBLEMS]


def _drifted(report: Mapping[str, Any], rules: Rules, chance: float) -> bool | None:
    """True when the effect is large and no chance; None where there is too little to say."""
    if report["effect"] is None or report["p_value"] is None or report["rows"] - report["missing"] < rules.min_rows:
        return None
    return bool(report["effect"] >= rules.drift_threshold and report["p_value"] < chance)


def _judge_drift(name: str, report: Mapping[str, Any], rules: Rules, chance: float, found: Inspection) -> None:
    if report["drifted"] is not None:
        about = (name, report["name"])
        sure = report["p_value"] < chance
        _find(found, AlertKind.DRIFT, about, report["effect"], rules.drift_threshold, sure=sure)


def _judge_column(
    report: Mapping[str, Any], problems: Sequence[Problem], rules: Rules, chance: float, found: Inspection
) -> None:
    _judge_drift("drift", report, rules, chance, found)
    for each in problems:
        about = (each.name, report["name"])
        _find(found, AlertKind.QUALITY, about, each.share, rules.quality_share, sure=each.p_value < chance)


def _look_at_errors(bucket: Bucket, reference: Reference, truths: Truths, rules: Rules, found: Inspection) -> None:
    found.report["performance"] = None
    document = reference.document
    assert document is not None
    output = next(iter(document["reference_profile"]["outputs"].values()), None)
    if not bucket.labelled or output is None:
        return
    task, layout = task_of(rules, output), Layout(document)
    rows = rows_in(layout, bucket.labelled)
    sliced = [name for name in rules.slices if name in rows.columns]
    given, pairs = [], list[Judged]()
    for place, (record_id, number) in enumerate(rows.keys):
        if number in truths.get(record_id, {}):
            both = usable(task, output["datatype"], rows.answers[place], truths[record_id][number])
            given.append(both)
            if both is not None:
                values = tuple(rows.columns[name][place] for name in sliced)
                pairs.append(Judged(answer=both[0], truth=both[1], slices=values))
    found.truths = len(given)
    if not pairs:
        return
    plain_pairs = [(each.answer, each.truth) for each in pairs]
    metric, baseline = chosen_metric(rules, task, reference.metrics)
    metrics = metrics_of(task, plain_pairs)
    found.report["performance"] = {
        "task": task.value,
        "rows": len(pairs),
        "unusable": len(given) - len(pairs),
        "metrics": metrics,
        "metric": metric,
        "baseline": baseline,
        "slices": list(_sliced(sliced, pairs, task)),
    }
    if len(pairs) >= rules.min_rows and baseline is not None and metric in metrics:
        _judge_errors(metric, metrics[metric], baseline, plain_pairs, rules, found)


def _sliced(columns: Sequence[str], pairs: Sequence[Judged], task: Any) -> Iterator[dict[str, Any]]:
    for column, value, members in slices_of(columns, pairs):
        metrics = metrics_of(task, [(each.answer, each.truth) for each in members])
        yield {"column": plain_text(column), "value": value, "rows": len(members), "metrics": metrics}


def _judge_errors(
    metric: str, value: float, baseline: float, pairs: Sequence[tuple[Any, Any]], rules: Rules, found: Inspection
) -> None:
    """Worse by the factor, and surely worse at all: the lower bound of the mean loss is above the approval's."""
    found.judged.append("performance")
    turned = metric in HIGHER_IS_BETTER
    error, before = (1 - value, 1 - baseline) if turned else (value, baseline)
    worse = max(before, 1e-9) * rules.factor
    losses = [loss_of(metric, pair) for pair in pairs]
    sure = True
    if losses[0] is not None:
        known = [loss for loss in losses if loss is not None]
        mean = math.fsum(known) / len(known)
        spread = math.sqrt(math.fsum((loss - mean) ** 2 for loss in known) / max(1, len(known) - 1))
        sure = mean - ONE_SIDED_5_PERCENT * spread / math.sqrt(len(known)) > (before**2 if metric == "rmse" else before)
    near = max(before, 1e-9) * (1 + (rules.factor - 1) * HYSTERESIS)
    if sure and error >= near:
        found.findings.append(
            Finding(
                kind=AlertKind.PERFORMANCE,
                name="performance",
                feature="",
                value=value,
                threshold=1 - worse if turned else worse,
                breached=error >= worse,
            )
        )


def _shown(problem: Problem) -> dict[str, Any]:
    return {
        "name": problem.name,
        "share": problem.share,
        "p_value": problem.p_value,
        "values": list(problem.values),
    }


def _quantile(ordered: Sequence[float], part: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None
