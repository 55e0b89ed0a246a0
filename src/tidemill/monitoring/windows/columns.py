"""Logged requests as columns: the values of each input by name, the answers, and which row of which request it was."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemill.monitoring.model import Prediction
from tidemill_runtime.reference_profile import NUMERIC, is_missing

ANSWERED = 200


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a model: `columns` by name, all as long as `answers` and `keys` (prediction id, row of the request)."""

    columns: dict[str, list[Any]] = field(default_factory=dict)
    answers: list[Any] = field(default_factory=list)
    keys: list[tuple[str, int]] = field(default_factory=list)


class Layout:
    """How a model takes its columns, from the `model.json` of its package."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        inputs = document["signature"]["inputs"]
        self._widths = {str(item["name"]): math.prod(item["shape"][1:]) for item in inputs}
        self.names = [str(name) for name in document["columns"]]
        kinds = [str(item["datatype"]) for item in inputs for _ in range(math.prod(item["shape"][1:]))]
        self.datatypes = dict(zip(self.names, kinds, strict=True))

    def rows_of(self, record: Prediction) -> list[list[Any]] | None:
        """The rows of a request in the order of the columns; None for one that cannot be read so."""
        found = self._by_tensor(record.inputs) if isinstance(record.inputs, dict) else self._by_row(record.inputs)
        width = len(self.names)
        return found if found and all(len(row) == width for row in found) else None

    def _by_row(self, inputs: Any) -> list[list[Any]] | None:
        if not isinstance(inputs, list):
            return None
        rows = []
        for each in inputs:
            if isinstance(each, dict):
                rows.append([each.get(name) for name in self.names])
            else:
                rows.append(each if isinstance(each, list) else [each])
        return rows

    def _by_tensor(self, inputs: Mapping[str, Any]) -> list[list[Any]] | None:
        widths = self._widths if set(self._widths) <= set(inputs) else dict.fromkeys(inputs, len(self.names))
        if len(widths) != len(self._widths) and len(widths) != 1:
            return None
        blocks = []
        for name, width in widths.items():
            flat = _flat(inputs[name])
            blocks.append([flat[place : place + width] for place in range(0, len(flat), width or 1)])
        if len({len(block) for block in blocks}) != 1:
            return None
        return [[value for part in parts for value in part] for parts in zip(*blocks, strict=True)]


def rows_in(layout: Layout, records: Iterable[Prediction]) -> Rows:
    """The rows of the requests that were answered; what cannot be read is left out."""
    found = Rows({name: [] for name in layout.names})
    for record in records:
        if record.status != ANSWERED:
            continue
        rows, answers = layout.rows_of(record), _answers(record.outputs)
        if rows is None or len(rows) != len(answers):
            continue
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True)):
            for name, value in zip(layout.names, row, strict=True):
                found.columns[name].append(plain(value, layout.datatypes[name]))
            found.answers.append(answer)
            found.keys.append((record.id, number))
    return found


def plain(value: Any, datatype: str) -> Any:
    """A value as it is counted: a finite float for a number, None for what is missing, anything else as it is."""
    if is_missing(value):
        return None
    if datatype not in NUMERIC:
        return value
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def row_count(record: Prediction) -> int:
    """How many rows a request was answered for."""
    return len(_answers(record.outputs)) if record.status == ANSWERED else 0


def _answers(outputs: Any) -> Sequence[Any]:
    """The first output, one value for each row."""
    return outputs[0] if isinstance(outputs, list) and outputs and isinstance(outputs[0], list) else []


def _flat(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    if value and isinstance(value[0], list):
        return [item for inner in value for item in _flat(inner)]
    return value
