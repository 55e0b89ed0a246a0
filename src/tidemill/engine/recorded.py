"""A run as the engine recorded it, proven: what its outputs may be taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.artifacts import Artifact
from tidemill.artifacts.store import artifacts_by_id
from tidemill.base.errors import NotFound
from tidemill.base.signing import public_key
from tidemill.base.site import Site
from tidemill.engine import rows
from tidemill.engine.model import Run, State, Task
from tidemill.engine.seals import prove_end, prove_run, prove_task


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run, its tasks that have ended, and their output artifacts by id; all of it is what the engine sealed."""

    run: Run
    tasks: tuple[Task, ...]
    artifacts: Mapping[str, Artifact]


def recorded_run(site: Site, namespace_id: str, run_id: str) -> RecordedRun:
    """Read a run and prove it against its seals; `NotFound`, `Forbidden` naming the run or task that was changed."""
    with site.database.read() as connection:
        row = rows.run_row(connection, namespace_id, run_id)
        if row is None:
            raise NotFound(f"there is no run {run_id[:64]!r}", remedy="tidemill runs list")
        tasks = rows.task_mappings(connection, namespace_id, run_id)
        ended = [task for task in tasks if State(task["state"]).is_final]
        ids = [one for task in ended for made in task["output_artifacts"].values() for one in made]
        artifacts = artifacts_by_id(connection, namespace_id, list(dict.fromkeys(ids)))
    key = public_key(site.home)
    prove_run(key, row)
    if State(row["state"]).is_final:
        prove_end(key, row, tasks)
    for task in ended:
        prove_task(key, task, artifacts)
    return RecordedRun(run=rows.run_of(row), tasks=tuple(rows.task_of(task) for task in ended), artifacts=artifacts)
