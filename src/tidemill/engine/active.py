"""An attempt that is at work."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tidemill.engine.changes import AttemptRecord, MetricPoint
from tidemill.engine.environments import Environment
from tidemill.engine.graph import Node
from tidemill.engine.launchers import Launcher
from tidemill.engine.live import LogCap, MetricsTail
from tidemill.engine.mlflow_files import LoggedMetrics
from tidemill.engine.options import Tools
from tidemill.engine.step import StepFolder, log_name
from tidemill.pipelines.model import ContainerExecutor


class Stop(StrEnum):
    """Why an attempt is being ended."""

    CANCEL = "cancel"  # somebody asked
    TIMEOUT = "timeout"  # it took longer than it may


@dataclass(slots=True, eq=False, kw_only=True)
class Active:
    """An attempt with its folder, its log and its clock; `deadline_seconds` is on the monotonic clock."""

    record: AttemptRecord
    node: Node
    environment: Environment
    folder: StepFolder
    log: Path
    metrics: MetricsTail
    logged: LoggedMetrics
    cap: LogCap
    timeout_seconds: float
    deadline_seconds: float
    is_launched: bool = False
    stop: Stop | None = None
    kill_at_seconds: float | None = None
    has_live_metrics: bool = False

    def end(self, launcher: Launcher, reason: Stop, *, now_seconds: float, grace_seconds: float) -> None:
        """Ask it to end; SIGKILL follows when the grace is over."""
        if self.stop is None:
            self.stop = reason
            self.kill_at_seconds = now_seconds + grace_seconds
            if self.is_launched:
                launcher.kill(self.record.id, signal.SIGTERM)

    def check(self, launcher: Launcher, *, now_seconds: float, grace_seconds: float) -> None:
        """End it when its time is over, kill it when its grace is."""
        if now_seconds > self.deadline_seconds:
            self.end(launcher, Stop.TIMEOUT, now_seconds=now_seconds, grace_seconds=grace_seconds)
        if self.kill_at_seconds is not None and now_seconds >= self.kill_at_seconds and self.is_launched:
            launcher.kill(self.record.id, signal.SIGKILL)
            self.kill_at_seconds = now_seconds + grace_seconds

    def new_metrics(self) -> list[tuple[AttemptRecord, MetricPoint]]:
        """The metrics written since the last look."""
        points = [(self.record, point) for point in (*self.metrics.read(), *self.logged.read())]
        self.has_live_metrics = self.has_live_metrics or bool(points)
        return points


def timeout_of(node: Node, default_seconds: float) -> float:
    """How long an attempt of a step may take."""
    executor = node.component.executor
    said = executor.platform.active_deadline_seconds if isinstance(executor, ContainerExecutor) else None
    return default_seconds if said is None else float(said)


def new_active(tools: Tools, run_id: str, node: Node, environment: Environment) -> Active:
    """The next attempt of a step, not yet started."""
    site, options = tools.site, tools.options
    node.attempts += 1
    record = AttemptRecord(
        id=site.ids.new(),
        node=node,
        number=node.attempts,
        seed=options.draw_seed(),
        log=log_name(run_id, node, node.attempts),
        created_at=site.clock.now(),
    )
    folder = StepFolder(root=site.home.work / run_id / record.id)
    log = site.home.logs / record.log
    timeout_seconds = timeout_of(node, options.timeout_seconds)
    return Active(
        record=record,
        node=node,
        environment=environment,
        folder=folder,
        log=log,
        metrics=MetricsTail(folder.metrics_file),
        logged=LoggedMetrics(folder=folder.mlflow),
        cap=LogCap(log, options.log_cap_bytes),
        timeout_seconds=timeout_seconds,
        deadline_seconds=site.clock.monotonic_seconds() + timeout_seconds,
    )
