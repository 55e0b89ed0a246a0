"""The check that no single feature says the target all by itself."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tidemill.gate.checks.contract import CheckContext
from tidemill.gate.checks.placing import Desk
from tidemill.gate.model import CheckResult, CheckState
from tidemill.gate.policy import Leak
from tidemill.registry import package_document
from tidemill.tables import Ask, ask_apart
from tidemill.tables.leak import MIN_ROWS


class LeakCheck:
    """None of the columns that the model takes tells the target of the evaluation rows practically exactly.

    One that the policy names with a reason may.
    """

    def __init__(self, ask: Ask = ask_apart) -> None:
        self._ask = ask

    @property
    def name(self) -> str:
        return "leak"

    def run(self, context: CheckContext) -> CheckResult:
        rule = context.policy.leak
        if rule is None:
            return CheckResult(state=CheckState.PASSED, summary="not asked for", evidence={})
        with tempfile.TemporaryDirectory(dir=context.site.home.work, prefix="leak-") as folder:
            desk = Desk(context.site, Path(folder))
            found = self._ask(
                {
                    "question": "leaks",
                    "rows": desk.place(context.outputs, rule.rows),
                    "target": desk.place(context.outputs, rule.target),
                    "columns": [str(name) for name in package_document(context.site, context.version)["columns"]],
                    "limit": rule.limit,
                    "seed": 0,
                }
            )
        evidence = {**found, "allowed": dict(rule.allowed)}
        fault = _fault(rule, found)
        state = CheckState.FAILED if fault else CheckState.PASSED
        return CheckResult(state=state, summary=fault or _fine(rule, found), evidence=evidence)


def _fault(rule: Leak, found: dict[str, Any]) -> str:
    if found["rows"] == 0:
        return f"{rule.target} has no true values"
    if found["target_values"] < 2:
        return f"all {found['rows']} true values of {rule.target} are the same, so that nothing can be told of them"
    leaks = [name for name in found["leaks"] if name not in rule.allowed]
    if not leaks:
        return ""
    shown = ", ".join(f"{name[:80]!r}" for name in leaks[:5])
    more = f" and {len(leaks) - 5} more" if len(leaks) > 5 else ""
    verb = "says" if len(leaks) == 1 else "say"
    return (
        f"{shown}{more} {verb} {rule.target} all alone, on {found['rows']} rows: leave out what is known only when the "
        "target is, or name it in [gate.leak.allowed] with the reason"
    )


def _fine(rule: Leak, found: dict[str, Any]) -> str:
    said = []
    if found["features"]:
        best = max(found["features"], key=lambda each: float(each["strength"]))
        said.append(f"of single features {best['column'][:80]!r} tells most of {rule.target}, {best['strength']:.0%}")
    else:
        said.append("the model takes no columns")
    if found["rows"] < MIN_ROWS:
        said.append(f"{found['rows']} rows are too few to tell more than plain copies")
    said += [f"{name[:80]!r} may: {rule.allowed[name]}" for name in found["leaks"]]
    return "; ".join(said)
