"""The noun of the rules: what is watched of one service."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

MIN_ROWS = 50
"""Below this the statistics of ten bins say little: about five rows are expected in each (Cochran, 1954)."""


class AlertKind(StrEnum):
    """What an alert is about."""

    DRIFT = "drift"  # a feature or the prediction is distributed otherwise than in the reference profile
    PERFORMANCE = "performance"  # predictions are worse than when the version was approved
    QUALITY = "quality"  # values are missing, out of range, in new categories, or always the same; requests are refused
    HEALTH = "health"  # requests fail or take too long; a process, the disk, the memory or the clock is not well


class Task(StrEnum):
    """What a model predicts."""

    REGRESSION = "regression"  # numbers
    CLASSIFICATION = "classification"  # labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is watched of a service, with the defaults of a service that says nothing.

    A window lasts `window_seconds`, or holds `window_rows` rows where that is not 0; one with fewer than `min_rows`
    has no verdict. A feature has drifted when `statistic` reaches `drift_threshold` and the test of its kind is
    significant at `significance` over all features together. 0.2 is the usual mark of PSI (Siddiqi, 2006). A share of
    rows that reaches `quality_share`, of refused requests `rejected_share` and of failed ones `error_rate` is wrong;
    so is an error that is `factor` times that of the approval. An alert is raised after `windows_to_raise` such windows
    in a row and resolved after `windows_to_resolve` good ones.
    """

    window_seconds: float = 3600.0
    window_rows: int = 0
    min_rows: int = MIN_ROWS
    slices: tuple[str, ...] = ()
    key: str = ""
    feedback_is_truth: bool = False
    alerts: tuple[AlertKind, ...] = tuple(AlertKind)
    windows_to_raise: int = 2
    windows_to_resolve: int = 2
    statistic: str = "psi"
    drift_threshold: float = 0.2
    significance: float = 0.01
    extra_statistics: tuple[str, ...] = ()
    quality_share: float = 0.05
    rejected_share: float = 0.2
    task: Task | None = None
    metric: str = ""
    baseline: str = ""
    factor: float = 1.5
    error_rate: float = 0.05
    latency_p95_ms: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The rules as they are stored."""
        return {"schema_version": 1, **asdict(self)}


def rules_from_json(stored: dict[str, Any]) -> Rules:
    """Rules as they were stored."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    del fields["schema_version"]
    fields["alerts"] = tuple(AlertKind(each) for each in fields["alerts"])
    fields["task"] = None if fields["task"] is None else Task(fields["task"])
    return Rules(**fields)
