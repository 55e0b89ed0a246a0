"""The check of the challenger against the champion, on rows that neither of them has learnt from."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tidemill.artifacts import materialize
from tidemill.base.errors import InvalidInput, NotFound, RunFailed
from tidemill.gate.checks.comparison import LEVEL, RESAMPLES, Answers, Difference, compare, losses, metric_for
from tidemill.gate.checks.contract import Champion, CheckContext, RunOutputs
from tidemill.gate.checks.rows import RowTable, beside, read_table, row_digests
from tidemill.gate.checks.slices import slices_of
from tidemill.gate.model import CheckResult, CheckState
from tidemill.gate.policy import Challenger, Hygiene
from tidemill.locks import run_module
from tidemill.registry import ModelVersion, package_content, package_document, version_venv

MAX_ROWS = 50_000
TIMEOUT_SECONDS = 600.0


class ChallengerCheck:
    """Both packages answer the clean rows in fresh processes of their locks; a challenger that is worse fails.

    Clean rows are evaluation rows of the challenger that stand in no training or tuning table of either model. Worse
    means that the interval of the difference of the mean losses lies wholly above the margin.
    """

    @property
    def name(self) -> str:
        return "challenger"

    def run(self, context: CheckContext) -> CheckResult:
        rule = context.policy.challenger
        if rule is None:
            said = "not configured: [model] target, or [gate.challenger], names the true values of the evaluation rows"
            return CheckResult(state=CheckState.PASSED, summary=said, evidence={"configured": False})
        champion = context.champion()
        if champion is None:
            said = f"first version: nothing is live as {context.service} in {context.environment}"
            return CheckResult(state=CheckState.PASSED, summary=said, evidence={"champion": None})
        try:
            return _compared(context, rule, champion)
        except _CannotCompare as problem:
            return _cannot(rule, champion, str(problem))


class _CannotCompare(Exception):
    """The two cannot be compared, in words; the policy says what that counts as."""


def _cannot(rule: Challenger, champion: Champion, why: str) -> CheckResult:
    state = CheckState.PASSED if rule.incomparable == "pass" else CheckState.FAILED
    counts = f'incomparable = "{rule.incomparable}"'
    evidence = {"champion": champion.version.label, "incomparable": why, "policy": counts}
    return CheckResult(
        state=state, summary=f"not compared with {champion.version.label}: {why} ({counts})", evidence=evidence
    )


def _compared(context: CheckContext, rule: Challenger, champion: Champion) -> CheckResult:
    rows = _table(context, context.outputs, rule.rows)
    truth = _truth(context, rule, rows)
    clean = [number for number in _clean_rows(context, champion, rows) if not _is_missing(truth[number])]
    if len(clean) < rule.min_rows:
        raise _CannotCompare(
            f"{len(clean)} of {rows.rows} evaluation rows were seen by neither model, {rule.min_rows} are needed"
        )
    picked = _picked(clean, rule.seed)
    wanted = [truth[number] for number in picked]
    table = rows.table.take(picked)
    old = _answers(context, champion.version, table, rule)
    new = _answers(context, context.version, table, rule)
    metric = metric_for(rule.metric, wanted, (old, new))
    before, after = losses(metric, wanted, old), losses(metric, wanted, new)
    whole = compare(before, after, seed=rule.seed)
    parts = slices_of(table, rule, before, after)
    evidence = {
        "champion": champion.version.label,
        "challenger": context.version.label,
        "metric": metric,
        "must": rule.must,
        "margin": rule.margin,
        "evaluation_rows": rows.rows,
        "seen_rows": rows.rows - len(clean),
        "seed": rule.seed,
        "resamples": RESAMPLES,
        **whole.to_json(),
        "slices": parts,
    }
    faults = [*_faults(whole, rule), *(f"worse where {part['slice']}" for part in parts if part["is_worse"])]
    said = _sentence(metric, whole, context, champion)
    state = CheckState.FAILED if faults else CheckState.PASSED
    return CheckResult(state=state, summary=f"{'; '.join([*faults, said])}", evidence=evidence)


def _faults(whole: Difference, rule: Challenger) -> list[str]:
    if whole.low > rule.margin:
        return ["worse than the champion"]
    if rule.must == "be better" and whole.high >= -rule.margin:
        return ["not better than the champion for sure"]
    return []


def _sentence(metric: str, whole: Difference, context: CheckContext, champion: Champion) -> str:
    def shown(loss: float) -> str:
        return f"{1 - loss:.4g}" if metric == "accuracy" else f"{loss:.4g}"

    return (
        f"{metric} {shown(whole.challenger)} ({context.version.label}) against {shown(whole.champion)} "
        f"({champion.version.label}) on {whole.rows} rows that neither has seen; the difference of the losses is "
        f"{whole.difference:+.4g}, {LEVEL:.0%} between {whole.low:+.4g} and {whole.high:+.4g}"
    )


def _table(context: CheckContext, outputs: RunOutputs, entry: str) -> RowTable:
    references = [reference.strip() for reference in entry.split("+")]
    return beside([read_table(context.site, outputs.artifact(reference), reference) for reference in references], entry)


def _truth(context: CheckContext, rule: Challenger, rows: RowTable) -> list[Any]:
    table = _table(context, context.outputs, rule.target)
    if len(table.columns) != 1:
        raise InvalidInput(f"has {len(table.columns)} columns, a target has one", place=rule.target)
    if table.rows != rows.rows:
        raise InvalidInput(f"has {table.rows} values for {rows.rows} rows of {rule.rows}", place=rule.target)
    found: list[Any] = table.table.column(0).to_pylist()
    return found


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _clean_rows(context: CheckContext, champion: Champion, rows: RowTable) -> list[int]:
    """The numbers of the rows that stand in no training or tuning table of either model."""
    clean = set(range(rows.rows))
    sides = (
        (context.version, context.policy.hygiene, context.outputs),
        (champion.version, champion.hygiene, champion.outputs),
    )
    for version, hygiene, outputs in sides:
        for entry in _learnt_from(version, hygiene):
            known = _learnt_table(context, outputs, entry, version)
            columns = sorted(set(rows.columns) & set(known.columns))
            if not columns:
                raise _CannotCompare(f"{rows.name} and {entry} of {version.label} have no column in common")
            seen = {digest for digest, _ in row_digests(known, columns)}
            clean -= {number for digest, number in row_digests(rows, columns) if digest in seen}
    return sorted(clean)


def _learnt_table(context: CheckContext, outputs: RunOutputs, entry: str, version: ModelVersion) -> RowTable:
    try:
        return _table(context, outputs, entry)
    except (NotFound, InvalidInput) as problem:
        if version.id == context.version.id:
            raise
        raise _CannotCompare(f"nobody can read what {version.label} learnt from: {problem.message}") from problem


def _learnt_from(version: ModelVersion, hygiene: Hygiene | None) -> tuple[str, ...]:
    if hygiene is None:
        raise _CannotCompare(f"no [gate.hygiene] says which rows {version.label} learnt from")
    return (*hygiene.training, *hygiene.tuning)


def _picked(clean: Sequence[int], seed: int) -> list[int]:
    """All rows, or `MAX_ROWS` of them drawn with the seed."""
    if len(clean) <= MAX_ROWS:
        return list(clean)
    import numpy

    return sorted(numpy.random.default_rng(seed).choice(clean, MAX_ROWS, replace=False).tolist())


def _answers(context: CheckContext, version: ModelVersion, table: Any, rule: Challenger) -> Answers:
    """A version's answers, from a fresh process of its lock; `_CannotCompare` when the champion cannot answer."""
    columns = [str(name) for name in package_document(context.site, version).get("columns", [])]
    missing = [name for name in columns if name not in table.column_names]
    is_champion = version.id != context.version.id
    if missing:
        why = f"{version.label} takes {', '.join(missing)}, which {rule.rows} has not"
        raise _CannotCompare(why) if is_champion else InvalidInput(why, place=rule.rows)
    reply = _rescored(context, version, {name: _values(table.column(name)) for name in columns}, rule)
    if reply["fault"] is not None:
        why = f"{version.label} cannot answer the rows: {reply['fault']}"
        raise _CannotCompare(why) if is_champion else RunFailed(why)
    return Answers(predictions=reply["predictions"], classes=reply["classes"], shares=reply["shares"])


def _rescored(
    context: CheckContext, version: ModelVersion, columns: dict[str, list[Any]], rule: Challenger
) -> dict[str, Any]:
    site = context.site
    with tempfile.TemporaryDirectory(dir=site.home.work, prefix="rescore-") as folder:
        package, rows = Path(folder) / "package", Path(folder) / "rows.json"
        materialize(site, package_content(site, version), package)
        rows.write_text(json.dumps(columns, allow_nan=False), encoding="utf-8")
        return run_module(
            version_venv(site, version),
            "tidemill_runtime.rescore",
            {
                "schema_version": 1,
                "package": str(package),
                "rows": str(rows),
                # this platform made the file, and the tree's digest, which names it, was checked just now
                "allow_pickle": True,
                "probabilities": rule.metric == "log_loss",
            },
            timeout_seconds=TIMEOUT_SECONDS,
            log=site.home.logs / "reviews" / f"rescore-{version.id}.log",
        )


def _values(column: Any) -> list[Any]:
    """A column as strict JSON: NaN is null, what JSON has no form for is its text."""
    return [None if _is_missing(value) else _as_json(value) for value in column.to_pylist()]


def _as_json(value: Any) -> Any:
    is_plain = isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))
    return value if is_plain else str(value)
