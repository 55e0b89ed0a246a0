"""The check that evaluation rows are later than what the model learnt from."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tidemill.gate.checks.contract import CheckContext
from tidemill.gate.checks.placing import Desk
from tidemill.gate.model import CheckResult, CheckState
from tidemill.gate.policy import Hygiene
from tidemill.tables import Ask, ask_apart


class TimeSplitCheck:
    """By the declared column, no evaluation row is older than the latest training or tuning row; as old may be."""

    def __init__(self, ask: Ask = ask_apart) -> None:
        self._ask = ask

    @property
    def name(self) -> str:
        return "time_split"

    def run(self, context: CheckContext) -> CheckResult:
        rule = context.policy.hygiene
        if rule is None or not rule.time:
            return CheckResult(state=CheckState.PASSED, summary="not asked for", evidence={})
        with tempfile.TemporaryDirectory(dir=context.site.home.work, prefix="time-") as folder:
            desk = Desk(context.site, Path(folder))
            known = [("training", entry) for entry in rule.training] + [("tuning", entry) for entry in rule.tuning]
            found = self._ask(
                {
                    "question": "older",
                    "column": rule.time,
                    "tested": [desk.place(context.outputs, entry) for entry in rule.evaluation],
                    "known": [[role, desk.place(context.outputs, entry)] for role, entry in known],
                }
            )
        evidence = {"time": rule.time, "max_older_share": rule.max_older_share, **found}
        faults = _faults(rule, found)
        state = CheckState.FAILED if faults else CheckState.PASSED
        return CheckResult(state=state, summary="; ".join(faults) or _fine(rule, found), evidence=evidence)


def _faults(rule: Hygiene, found: dict[str, Any]) -> list[str]:
    if found["rows"] == 0:
        return ["there are no evaluation rows"]
    faults = []
    for each in found["comparisons"]:
        if each["share"] > rule.max_older_share:
            faults.append(
                f"{each['older_rows']} of {each['evaluation_rows']} rows of {each['evaluation']} "
                f"({each['share']:.0%}) are older by {rule.time} than the latest of {each['against']} "
                f"({each['role']}, {each['latest']})"
            )
        untimed = each["against_without_time"]
        if untimed > rule.max_older_share * each["against_rows"]:
            faults.append(f"{untimed} rows of {each['against']} ({each['role']}) have no {rule.time}")
    return faults


def _fine(rule: Hygiene, found: dict[str, Any]) -> str:
    worst = max((each["share"] for each in found["comparisons"]), default=0.0)
    said = f"{worst:.0%} of them" if worst else "none of them"
    return f"{found['rows']} evaluation rows, {said} older by {rule.time} than what was learnt from"
