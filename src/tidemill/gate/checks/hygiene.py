"""The check that evaluation rows are strangers to training and tuning."""

from __future__ import annotations

from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.gate.checks.contract import CheckContext
from tidemill.gate.checks.rows import RowTable, beside, read_table, row_digests, row_values
from tidemill.gate.model import CheckResult, CheckState

MAX_EXAMPLES = 5


class HygieneCheck:
    """No evaluation row stands among the training or tuning rows, by the digests of their common columns."""

    @property
    def name(self) -> str:
        return "hygiene"

    def run(self, context: CheckContext) -> CheckResult:
        rule = context.policy.hygiene
        if rule is None:
            return CheckResult(state=CheckState.PASSED, summary="not asked for", evidence={})
        evaluation = [_table(context, entry) for entry in rule.evaluation]
        comparisons = [
            _compare(tested, _table(context, entry), role)
            for role, entries in (("training", rule.training), ("tuning", rule.tuning))
            for entry in entries
            for tested in evaluation
        ]
        overlap = sum(comparison["overlap_rows"] for comparison in comparisons)
        evidence = {
            "max_overlap_rows": rule.max_overlap_rows,
            "overlap_rows": overlap,
            "comparisons": comparisons,
        }
        rows = sum(table.rows for table in evaluation)
        if rows == 0:
            return CheckResult(state=CheckState.FAILED, summary="there are no evaluation rows", evidence=evidence)
        if overlap > rule.max_overlap_rows:
            return CheckResult(state=CheckState.FAILED, summary=_found(comparisons, overlap, rows), evidence=evidence)
        summary = f"{rows} evaluation rows, {overlap} of them seen in training or tuning"
        return CheckResult(state=CheckState.PASSED, summary=summary, evidence=evidence)


def _table(context: CheckContext, entry: str) -> RowTable:
    references = [reference.strip() for reference in entry.split("+")]
    if not all(references):
        raise InvalidInput(f"{entry!r} names no table", place="hygiene", remedy="write TASK.OUTPUT + TASK.OUTPUT")
    tables = [read_table(context.site, context.outputs.artifact(reference), reference) for reference in references]
    return beside(tables, entry)


def _compare(tested: RowTable, known: RowTable, role: str) -> dict[str, Any]:
    columns = sorted(set(tested.columns) & set(known.columns))
    if not columns:
        raise InvalidInput(
            f"{tested.name} and {known.name} have no column in common, so their rows cannot be compared",
            place="hygiene",
            remedy="name tables of the same columns",
        )
    seen = {digest for digest, _ in row_digests(known, columns)}
    overlap = [number for digest, number in row_digests(tested, columns) if digest in seen]
    return {
        "evaluation": tested.name,
        "evaluation_rows": tested.rows,
        "against": known.name,
        "role": role,
        "against_rows": known.rows,
        "columns": columns,
        "overlap_rows": len(overlap),
        "examples": [
            {"row": number, "values": row_values(tested, columns, number)} for number in overlap[:MAX_EXAMPLES]
        ],
    }


def _found(comparisons: list[dict[str, Any]], overlap: int, rows: int) -> str:
    worst = max(comparisons, key=lambda comparison: int(comparison["overlap_rows"]))
    numbers = ", ".join(str(example["row"]) for example in worst["examples"])
    return (
        f"{overlap} of {rows} evaluation rows were seen: {worst['overlap_rows']} of {worst['evaluation']} stand in "
        f"{worst['against']} ({worst['role']}), such as row {numbers}"
    )
