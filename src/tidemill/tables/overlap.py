"""Which rows of some tables stand in others, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.tables.rows import RowTable, alike, read, row_digests, row_values

MAX_EXAMPLES = 5


def overlap(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Each table of `tested` against each of `known` ([role, table]), by the digests of their common columns."""
    tested = [read(table) for table in asked["tested"]]
    comparisons = []
    for role, place in asked["known"]:
        known = read(place)
        comparisons += [_compare(each, known, role) for each in tested]
    return {"rows": sum(each.rows for each in tested), "comparisons": comparisons}


def _compare(tested: RowTable, known: RowTable, role: str) -> dict[str, Any]:
    columns = sorted(set(tested.columns) & set(known.columns))
    if not columns:
        raise InvalidInput(
            f"{tested.name} and {known.name} have no column in common, so their rows cannot be compared",
            place="hygiene",
            remedy="name tables of the same columns",
        )
    ours, theirs = alike(tested, known, columns)
    seen = {digest for digest, _ in row_digests(theirs, columns)}
    found = [number for digest, number in row_digests(ours, columns) if digest in seen]
    return {
        "evaluation": tested.name,
        "evaluation_rows": tested.rows,
        "against": known.name,
        "role": role,
        "against_rows": known.rows,
        "columns": columns,
        "overlap_rows": len(found),
        "examples": [{"row": number, "values": row_values(tested, columns, number)} for number in found[:MAX_EXAMPLES]],
    }
