"""The nouns of feedback."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

LOWEST, HIGHEST = 1, 5
LONGEST_COMMENT = 2_000
LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRequest:
    """What somebody says of one predicted row: a rating from 1 (useless) to 5 (right), a comment, the value it should
    have been in the model's own unit; at least one of them."""

    prediction_id: str
    row: int = 0
    rating: int | None = None
    comment: str = ""
    value: float | int | str | bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What one person says of one predicted row; who says something again means that instead."""

    id: str
    prediction_id: str
    row: int
    rating: int | None
    comment: str
    value: Any
    created_by: str
    created_at: datetime
