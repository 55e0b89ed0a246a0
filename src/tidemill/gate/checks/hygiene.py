"""The check that evaluation rows are strangers to training and tuning."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tidemill.gate.checks.contract import CheckContext
from tidemill.gate.checks.placing import Desk
from tidemill.gate.model import CheckResult, CheckState
from tidemill.tables import Ask, ask_apart


class HygieneCheck:
    """No evaluation row stands among the training or tuning rows, by the digests of their common columns."""

    def __init__(self, ask: Ask = ask_apart) -> None:
        self._ask = ask

    @property
    def name(self) -> str:
        return "hygiene"

    def run(self, context: CheckContext) -> CheckResult:
        rule = context.policy.hygiene
        if rule is None:
            return CheckResult(state=CheckState.PASSED, summary="not asked for", evidence={})
        with tempfile.TemporaryDirectory(dir=context.site.home.work, prefix="hygiene-") as folder:
            desk = Desk(context.site, Path(folder))
            known = [("training", entry) for entry in rule.training] + [("tuning", entry) for entry in rule.tuning]
            found = self._ask(
                {
                    "question": "overlap",
                    "tested": [desk.place(context.outputs, entry) for entry in rule.evaluation],
                    "known": [[role, desk.place(context.outputs, entry)] for role, entry in known],
                }
            )
        comparisons, rows = found["comparisons"], found["rows"]
        overlap = sum(comparison["overlap_rows"] for comparison in comparisons)
        evidence = {
            "max_overlap_rows": rule.max_overlap_rows,
            "overlap_rows": overlap,
            "comparisons": comparisons,
        }
        if rows == 0:
            return CheckResult(state=CheckState.FAILED, summary="there are no evaluation rows", evidence=evidence)
        if overlap > rule.max_overlap_rows:
            return CheckResult(state=CheckState.FAILED, summary=_found(comparisons, overlap, rows), evidence=evidence)
        summary = f"{rows} evaluation rows, {overlap} of them seen in training or tuning"
        return CheckResult(state=CheckState.PASSED, summary=summary, evidence=evidence)


def _found(comparisons: Sequence[dict[str, Any]], overlap: int, rows: int) -> str:
    worst = max(comparisons, key=lambda comparison: int(comparison["overlap_rows"]))
    numbers = ", ".join(str(example["row"]) for example in worst["examples"])
    return (
        f"{overlap} of {rows} evaluation rows were seen: {worst['overlap_rows']} of {worst['evaluation']} stand in "
        f"{worst['against']} ({worst['role']}), such as row {numbers}"
    )
