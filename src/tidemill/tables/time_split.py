"""Whether some rows are later than others: a model that learnt from the future is tested on the past."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.tables.columns import is_missing
from tidemill.tables.rows import RowTable, read

Moments = tuple[str, list[float | None]]


def older_rows(asked: Mapping[str, Any]) -> dict[str, Any]:
    """How many rows of each table in `tested` are older, by `column`, than the latest row of each in `known`.

    Rows without a time count as older, and are counted in `known`, too. Raises `InvalidInput` for a column that is not
    there or holds no times: numbers, dates, or texts in ISO 8601, the same in all tables.
    """
    column = asked["column"]
    tested = [(table, _moments(table, column)) for table in map(read, asked["tested"])]
    known = [(role, table, _moments(table, column)) for role, table in ((r, read(t)) for r, t in asked["known"])]
    kinds = {moments[0] for _, moments in tested} | {moments[0] for _, _, moments in known}
    if len(kinds - {"none"}) > 1:
        raise InvalidInput(
            f"the tables have different kinds of times in {column!r}: {', '.join(sorted(kinds))}", place="hygiene.time"
        )
    return {
        "rows": sum(table.rows for table, _ in tested),
        "comparisons": [
            _compare(table, moments, known_one, role=role, column=column)
            for role, *known_one in known
            for table, moments in tested
        ],
    }


def _compare(table: RowTable, moments: Moments, known: Sequence[Any], *, role: str, column: str) -> dict[str, Any]:
    other, (_, others) = known
    there = [moment for moment in others if moment is not None]
    latest = max(there, default=None)
    here = [moment for moment in moments[1] if moment is not None]
    older = sum(moment is None or (latest is not None and moment < latest) for moment in moments[1])
    return {
        "evaluation": table.name,
        "evaluation_rows": table.rows,
        "against": other.name,
        "role": role,
        "against_rows": other.rows,
        "older_rows": older,
        "share": older / table.rows if table.rows else 0.0,
        "without_time": table.rows - len(here),
        "against_without_time": other.rows - len(there),
        "oldest": _shown(table, column, moments[1], min(here, default=None)),
        "latest": _shown(other, column, others, latest),
    }


def _shown(table: RowTable, column: str, moments: Sequence[float | None], wanted: float | None) -> str | None:
    if wanted is None:
        return None
    return str(table.table.column(column)[moments.index(wanted)].as_py())[:80]


def _moments(table: RowTable, column: str) -> Moments:
    if column not in table.columns:
        raise InvalidInput(
            f"has no column {column[:80]!r}",
            place=table.name,
            remedy="name tables that have it in [gate.hygiene], several side by side as TASK.OUTPUT + TASK.OUTPUT",
        )
    values = table.table.column(column).to_pylist()
    found = [_moment(value) for value in values]
    kinds = {kind for kind, _ in found if kind != "none"}
    if "" in kinds or len(kinds) > 1:
        odd = next((value for value, (kind, _) in zip(values, found, strict=True) if kind == ""), values[0])
        raise InvalidInput(
            f"{str(odd)[:80]!r} in {column[:80]!r} is no time like the others",
            place=table.name,
            remedy="use numbers, dates, or texts in ISO 8601, all with a zone or all without",
        )
    return next(iter(kinds), "none"), [moment for _, moment in found]


def _moment(value: Any) -> tuple[str, float | None]:
    """A value's kind ("" for what is no time) and its place in time."""
    if is_missing(value) or value == "":
        return "none", None
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return ("numbers", float(value)) if math.isfinite(value) else ("", None)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return "", None
    if isinstance(value, datetime):
        zone = "times with a zone" if value.tzinfo else "times without a zone"
        return zone, (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return "times without a zone", datetime.combine(value, time(), tzinfo=UTC).timestamp()
    return "", None
