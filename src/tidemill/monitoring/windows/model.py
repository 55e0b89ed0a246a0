"""The nouns of windows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.monitoring.rules import AlertKind


class WindowState(StrEnum):
    """Whether a window may still get predictions."""

    OPEN = "open"  # goes on: shown, but no reason for an alert
    CLOSED = "closed"  # its time is over, or its rows are complete; what comes late is computed in


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the rules look at in a window.

    `name` says what (`drift`, `performance`, `missing`), `feature` of which column, "" for the whole. `breached`: it
    reached `threshold` and is no chance; else it is too near to it to be well, and leaves an alert as it is.
    """

    kind: AlertKind
    name: str
    feature: str
    value: float
    threshold: float
    breached: bool

    def to_json(self) -> dict[str, Any]:
        """The finding as it is stored."""
        return asdict(self)


def finding_from_json(stored: dict[str, Any]) -> Finding:
    """A finding as it was stored."""
    return Finding(**{**stored, "kind": AlertKind(stored["kind"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The predictions of one revision in a stretch of time, and what they look like.

    It is named by service, revision and `start`; `first_id` and `last_id` are those of its first and last record. It
    has so many `records` (requests), `rows` (answered rows) and `truths`; `report` is what is shown. `judged` names
    what the rules looked at, nothing below their least number of rows; what has no finding is well.
    """

    id: str
    namespace_id: str
    service_id: str
    service: str
    environment: str
    revision_id: str
    revision: str
    model_version_id: str
    start: datetime
    end: datetime
    first_id: str
    last_id: str
    state: WindowState
    records: int
    rows: int
    truths: int
    report: dict[str, Any]
    judged: tuple[str, ...]
    findings: tuple[Finding, ...]
    computed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the rules found in one closed window."""

    window_id: str
    start: datetime
    end: datetime
    judged: frozenset[str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the windows of a service are: what of the log was computed, by hour, and when.

    `seconds` of a core are owed since: what it took, less what was paid by waiting (`plan.debt_after`).

    `problem` says why the last computation failed, "" when it did not.
    """

    hours: dict[str, str]
    look: str
    computed_at: datetime
    seconds: float
    problem: str
