"""The check of the challenger against the champion, on rows that neither of them has learnt from."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemill.artifacts import materialize
from tidemill.base.errors import InvalidInput, NotFound, RunFailed
from tidemill.base.site import Site
from tidemill.gate.checks.contract import Champion, CheckContext, RunOutputs
from tidemill.gate.checks.placing import Desk
from tidemill.gate.model import CheckResult, CheckState
from tidemill.gate.policy import Challenger, Hygiene
from tidemill.locks import run_module
from tidemill.registry import ModelVersion, package_content, package_document, version_venv
from tidemill.tables import Ask, ask_apart
from tidemill.tables.comparison import LEVEL, RESAMPLES

TIMEOUT_SECONDS = 600.0


class ChallengerCheck:
    """Both packages answer the clean rows in fresh processes of their locks; a challenger that is worse fails.

    Clean rows are evaluation rows of the challenger that stand in no training or tuning table of either model. Worse
    means that the interval of the difference of the mean losses lies wholly above the margin.
    """

    def __init__(self, ask: Ask = ask_apart) -> None:
        self._ask = ask

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
            with tempfile.TemporaryDirectory(dir=context.site.home.work, prefix="rescore-") as folder:
                return _compared(self._ask, context, rule, champion, Path(folder))
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


def _compared(ask: Ask, context: CheckContext, rule: Challenger, champion: Champion, folder: Path) -> CheckResult:
    # the tables are gone again before a model that nobody has approved starts; the champion answers first
    with tempfile.TemporaryDirectory(dir=context.site.home.work, prefix="challenger-") as tables:
        rows = _clean_rows(ask, context, rule, champion, Desk(context.site, Path(tables)), folder)
    found = ask(
        {
            "question": "compare",
            "truth": rows["truth"],
            "slices": rows["slices"],
            "answers": [
                _answers(context, version, folder / f"rows-{place}.json", rule)
                for place, version in enumerate((champion.version, context.version))
            ],
            "metric": rule.metric,
            "min_rows": rule.min_rows,
            "margin": rule.margin,
            "seed": rule.seed,
        }
    )
    return _judged(context, rule, champion, rows, found)


def _judged(
    context: CheckContext, rule: Challenger, champion: Champion, rows: Mapping[str, Any], found: dict[str, Any]
) -> CheckResult:
    evidence = {
        "champion": champion.version.label,
        "challenger": context.version.label,
        "must": rule.must,
        "margin": rule.margin,
        "evaluation_rows": rows["rows"],
        "seen_rows": rows["rows"] - rows["clean"],
        "seed": rule.seed,
        "resamples": RESAMPLES,
        **found,
    }
    faults = [*_faults(found, rule), *(f"worse where {part['slice']}" for part in found["slices"] if part["is_worse"])]
    said = _sentence(found, context, champion)
    state = CheckState.FAILED if faults else CheckState.PASSED
    return CheckResult(state=state, summary=f"{'; '.join([*faults, said])}", evidence=evidence)


def _faults(found: Mapping[str, Any], rule: Challenger) -> list[str]:
    low, high = found["interval"]
    if low > rule.margin:
        return ["worse than the champion"]
    if rule.must == "be better" and high >= -rule.margin:
        return ["not better than the champion for sure"]
    return []


def _sentence(found: Mapping[str, Any], context: CheckContext, champion: Champion) -> str:
    def shown(loss: float) -> str:
        return f"{1 - loss:.4g}" if found["metric"] == "accuracy" else f"{loss:.4g}"

    low, high = found["interval"]
    return (
        f"{found['metric']} {shown(found['challenger_loss'])} ({context.version.label}) against "
        f"{shown(found['champion_loss'])} ({champion.version.label}) on {found['rows']} rows that neither has seen; "
        f"the difference of the losses is {found['difference']:+.4g}, {LEVEL:.0%} between {low:+.4g} and {high:+.4g}"
    )


def _clean_rows(
    ask: Ask, context: CheckContext, rule: Challenger, champion: Champion, desk: Desk, folder: Path
) -> Mapping[str, Any]:
    """What is known of the clean rows; the models find what they are asked in the folder then."""
    old = _learnt(champion.version, champion.hygiene, champion.outputs, desk, is_champion=True)
    new = _learnt(context.version, context.policy.hygiene, context.outputs, desk, is_champion=False)
    for side, version in ((old, champion.version), (new, context.version)):
        side["columns"] = [str(name) for name in package_document(context.site, version).get("columns", [])]
    found = ask(
        {
            "question": "clean",
            "rows": desk.place(context.outputs, rule.rows),
            "target": desk.place(context.outputs, rule.target),
            "sides": [old, new],
            "min_rows": rule.min_rows,
            "seed": rule.seed,
            "slices": list(rule.slices),
            "folder": str(folder),
        }
    )
    if found["incomparable"]:
        raise _CannotCompare(found["incomparable"])
    return found


def _learnt(
    version: ModelVersion, hygiene: Hygiene | None, outputs: RunOutputs, desk: Desk, *, is_champion: bool
) -> dict[str, Any]:
    if hygiene is None:
        raise _CannotCompare(f"no [gate.hygiene] says which rows {version.label} learnt from")
    try:
        learnt = [desk.place(outputs, entry) for entry in (*hygiene.training, *hygiene.tuning)]
    except (NotFound, InvalidInput) as problem:
        if not is_champion:
            raise
        raise _CannotCompare(f"nobody can read what {version.label} learnt from: {problem.message}") from problem
    return {"label": version.label, "learnt": learnt, "is_champion": is_champion}


def _answers(context: CheckContext, version: ModelVersion, rows: Path, rule: Challenger) -> dict[str, Any]:
    """A version's answers, from a fresh process of its lock; `_CannotCompare` when the champion cannot answer."""
    reply = _rescored(context.site, version, rows, probabilities=rule.metric == "log_loss")
    if reply["fault"] is not None:
        why = f"{version.label} cannot answer the rows: {reply['fault']}"
        raise RunFailed(why) if version.id == context.version.id else _CannotCompare(why)
    return reply


def _rescored(site: Site, version: ModelVersion, rows: Path, *, probabilities: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=site.home.work, prefix="rescore-") as folder:
        package = Path(folder) / "package"
        materialize(site, package_content(site, version), package)
        return run_module(
            version_venv(site, version),
            "tidemill_runtime.rescore",
            {
                "schema_version": 1,
                "package": str(package),
                "rows": str(rows),
                # this platform made the file, and the tree's digest, which names it, was checked just now
                "allow_pickle": True,
                "probabilities": probabilities,
            },
            timeout_seconds=TIMEOUT_SECONDS,
            log=site.home.logs / "reviews" / f"rescore-{version.id}.log",
        )
