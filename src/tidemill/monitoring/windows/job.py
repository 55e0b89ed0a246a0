"""What the controller asks of the process that computes windows, and what it answers: JSON on its standard streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidemill.monitoring.rules import Rules
from tidemill.monitoring.rules.model import rules_from_json
from tidemill.monitoring.windows.inspect import Reference
from tidemill.monitoring.windows.model import Finding, WindowState, finding_from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A window as it was computed last; `is_forced`: compute it again even if it holds the same records."""

    revision_id: str
    start: datetime
    end: datetime
    first_id: str
    last_id: str
    records: int
    state: WindowState
    is_forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The windows of one service that may have changed.

    `spans` are the stretches of time whose records are read. For windows counted in rows, `cursors` tells by revision
    the last record of its last closed window. `references` go by revision, `truths` by prediction id and row.
    """

    service_id: str
    namespace_id: str
    namespace: str
    service: str
    rules: Rules
    now: datetime
    spans: tuple[tuple[datetime, datetime], ...]
    known: tuple[Known, ...] = ()
    cursors: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, Reference] = field(default_factory=dict)
    truths: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The job as it travels."""
        return {
            **{name: getattr(self, name) for name in ("service_id", "namespace_id", "namespace", "service", "cursors")},
            "rules": self.rules.to_json(),
            "now": self.now.isoformat(),
            "spans": [[start.isoformat(), end.isoformat()] for start, end in self.spans],
            "known": [
                {
                    **{name: getattr(each, name) for name in Known.__slots__},
                    "start": each.start.isoformat(),
                    "end": each.end.isoformat(),
                }
                for each in self.known
            ],
            "references": {
                revision: {"document": each.document, "metrics": dict(each.metrics), "note": each.note}
                for revision, each in self.references.items()
            },
            "truths": self.truths,
        }


def job_from_json(told: Mapping[str, Any]) -> Job:
    """A job as it travelled."""
    moment = datetime.fromisoformat
    return Job(
        **{name: told[name] for name in ("service_id", "namespace_id", "namespace", "service", "cursors")},
        rules=rules_from_json(told["rules"]),
        now=moment(told["now"]),
        spans=tuple((moment(start), moment(end)) for start, end in told["spans"]),
        known=tuple(
            Known(
                **{
                    **each,
                    "start": moment(each["start"]),
                    "end": moment(each["end"]),
                    "state": WindowState(each["state"]),
                }
            )
            for each in told["known"]
        ),
        references={revision: Reference(**each) for revision, each in told["references"].items()},
        truths={key: {int(row): value for row, value in rows.items()} for key, rows in told["truths"].items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """One window as it came out; what it belongs to besides is known to whoever asked."""

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

    def to_json(self) -> dict[str, Any]:
        """The window as it travels."""
        return {
            **{name: getattr(self, name) for name in Computed.__slots__},
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "findings": [each.to_json() for each in self.findings],
        }


def computed_from_json(told: Mapping[str, Any]) -> Computed:
    """A window as it travelled."""
    return Computed(
        **{
            **told,
            "start": datetime.fromisoformat(told["start"]),
            "end": datetime.fromisoformat(told["end"]),
            "state": WindowState(told["state"]),
            "judged": tuple(told["judged"]),
            "findings": tuple(finding_from_json(each) for each in told["findings"]),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a job: its windows; `is_whole` is False when more of them wait for the next turn.

    `problem` says what could not be computed as the rules say, "" when all could; `seconds` is its share of the
    process's time on a core.
    """

    service_id: str
    windows: tuple[Computed, ...]
    is_whole: bool
    problem: str = ""
    seconds: float = 0.0
