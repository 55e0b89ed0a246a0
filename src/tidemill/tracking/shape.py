"""A run as MLflow has runs: its names, lengths and states."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tidemill.artifacts import Artifact
from tidemill.engine import Metric, Run, State

RUN_TAG = "tidemill.run_id"
MOST_POINTS = 50_000
"""Of a run with more, each metric is thinned out evenly; its last point stays."""

_LONGEST_NAME, _LONGEST_PARAM, _LONGEST_TAG = 250, 6_000, 5_000
_STATUS = {
    State.PENDING: "SCHEDULED",
    State.SUCCEEDED: "FINISHED",
    State.SKIPPED: "FINISHED",
    State.FAILED: "FAILED",
    State.CANCELED: "KILLED",
}
_STRANGE = re.compile(r"[^\w\-. :/]", re.ASCII)
_DOTS = re.compile(r"(?:^|(?<=/))\.+(?=/|$)|/{2,}|^/|/$")


def status_of(state: State) -> str:
    """MLflow's word for the state of a run."""
    return _STATUS.get(state, "RUNNING")


def milliseconds(moment: datetime) -> int:
    """A moment as MLflow counts."""
    return int(moment.timestamp() * 1000)


def name_of(text: str) -> str:
    """A name of a metric or parameter in the letters that MLflow allows; it is read as a path there."""
    return _DOTS.sub("_", _STRANGE.sub("_", text))[:_LONGEST_NAME] or "_"


def tags_of(run: Run, link: str) -> list[dict[str, str]]:
    """What tells a run in MLflow where it came from."""
    tags = {
        RUN_TAG: run.id,
        "tidemill.spec_digest": run.spec_digest,
        "tidemill.pipeline": run.pipeline_name,
        "tidemill.link": link,
        "mlflow.user": run.author,
        "mlflow.source.name": str(run.origin.get("file", run.pipeline_name)),
        **{
            f"tidemill.{name}": str(run.origin[name]) for name in ("project", "trigger", "firing") if name in run.origin
        },
    }
    if run.origin.get("commit"):
        tags["mlflow.source.git.commit"] = str(run.origin["commit"])
    return told(tags)


def data_tags_of(data_versions: Mapping[str, str]) -> list[dict[str, str]]:
    """The data versions that a run read, one tag for each dataset."""
    return told({f"tidemill.data.{path}": version for path, version in data_versions.items()})


def told(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as MLflow is told them."""
    return [{"key": name_of(key), "value": value[:_LONGEST_TAG]} for key, value in tags.items()]


def params_of(parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    """The parameters of a run; of two names that MLflow cannot tell apart the first stays."""
    found: dict[str, str] = {}
    for name, value in parameters.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
        found.setdefault(name_of(name), text[:_LONGEST_PARAM])
    return [{"key": key, "value": value} for key, value in found.items()]


def logged_params(artifacts: Iterable[Artifact]) -> dict[str, Any]:
    """The parameters that steps logged themselves, in the artifacts that the engine kept of it."""
    found: dict[str, Any] = {}
    for one in artifacts:
        logged = one.metadata.get("params")
        for name, value in logged.items() if isinstance(logged, dict) else ():
            found.setdefault(str(name), value)
    return found


def metrics_of(metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    """The points of a run that has ended. A metric that several tasks report is told apart by its task.

    The attempts that did not win have reported only provisionally, and are left out.
    """
    series: dict[tuple[str, str], list[Metric]] = defaultdict(list)
    for metric in metrics:
        if not metric.provisional:
            series[metric.task, metric.name].append(metric)
    tasks = defaultdict(set)
    for task, name in series:
        tasks[name].add(task)
    every = max(1, math.ceil(sum(map(len, series.values())) / MOST_POINTS))
    points = []
    for (task, name), found in series.items():
        told = name_of(name if len(tasks[name]) == 1 else f"{task}/{name}")
        for metric in (*found[:-1:every], found[-1]):
            points.append(
                {
                    "key": told,
                    "value": _number(metric.value),
                    "timestamp": milliseconds(metric.recorded_at),
                    "step": metric.step,
                }
            )
    return points


def in_batches(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    """The items, so many at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
