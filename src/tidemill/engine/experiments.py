"""Experiments: the groups that runs name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import case, func, select

from tidemill.access.model import Actor, Permission
from tidemill.base.site import Site
from tidemill.engine.find import last_metrics
from tidemill.engine.model import State
from tidemill.engine.store import run_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A group of runs; `metrics` are those of its newest run."""

    name: str
    runs: int
    failed: int
    newest_run_id: str
    newest_at: datetime
    metrics: Mapping[str, float] = field(default_factory=dict)


def list_experiments(site: Site, actor: Actor) -> list[Experiment]:
    """The experiments of the namespace, that with the newest run first."""
    actor.demand(Permission.READ)
    failed = func.sum(case((run_rows.c.state == State.FAILED.value, 1), else_=0))
    newest = func.max(run_rows.c.id)  # ids follow time
    query = (
        select(run_rows.c.experiment, func.count(), failed, newest, func.max(run_rows.c.created_at))
        .where(run_rows.c.namespace_id == actor.namespace_id)
        .group_by(run_rows.c.experiment)
        .order_by(newest.desc())
    )
    with site.database.read() as connection:
        found = [tuple(row) for row in connection.execute(query)]
    metrics = last_metrics(site, actor, [run_id for _, _, _, run_id, _ in found])
    return [
        Experiment(
            name=name,
            runs=runs,
            failed=int(failures),
            newest_run_id=run_id,
            newest_at=at,
            metrics=metrics.get(run_id, {}),
        )
        for name, runs, failures, run_id, at in found
    ]
