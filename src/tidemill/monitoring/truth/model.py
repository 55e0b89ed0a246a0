"""The nouns of ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class TruthSource(StrEnum):
    """Who said what is true."""

    DELIVERED = "delivered"  # sent as ground truth
    FEEDBACK = "feedback"  # a person's corrected value, where the rules take it for the truth


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthItem:
    """The true value of one predicted row.

    One of `prediction_id`, `request_id` (the caller's `x-request-id`) and `key` (a value of the column that the rules
    name) says which prediction; a key is that of the newest one at `time`, or now. `row` counts from 0 in a request
    with several rows.
    """

    value: float | int | str | bool
    prediction_id: str | None = None
    request_id: str | None = None
    key: str | None = None
    row: int = 0
    time: datetime | None = None

    @property
    def name(self) -> str:
        """How the item names its prediction, for people."""
        named = self.prediction_id or self.request_id or self.key or ""
        return f"{named}#{self.row}" if self.row else named


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A true value as it is kept; `number` counts what was said of the row, and the last one counts."""

    prediction_id: str
    row: int
    number: int
    value: Any
    source: TruthSource
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A value that contradicts what was said before."""

    name: str
    was: Any
    now: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of one batch of ground truth.

    So many items were new, said the same again, contradicted what was said (the last one counts), or were unknown:
    named nothing that was predicted. `unknown_names` and `corrections` are the first of them.
    """

    id: str
    received: int
    new: int
    repeated: int
    corrected: int
    unknown: int
    unknown_names: tuple[str, ...]
    corrections: tuple[Correction, ...]
    created_by: str
    created_at: datetime
