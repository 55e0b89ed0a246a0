"""A worker with real processes on a home that the tests of a module share, so that its venvs are made once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tidemill.access import Actor, Role, ensure_namespace
from tidemill.artifacts import store as artifact_tables
from tidemill.base.clock import SystemClock
from tidemill.base.database import Database, sqlite_url
from tidemill.base.home import open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.migrate import migrate
from tidemill.base.site import Site
from tidemill.engine import (
    Run,
    RunRequest,
    Task,
    Worker,
    WorkerOptions,
    get_run,
    list_tasks,
    open_worker,
    store,
    submit_run,
)
from tidemill.pipelines import Pipeline, load_pipeline

PIPELINES = Path(__file__).parents[2] / "fixtures" / "pipelines"


@dataclass
class Works:
    """A site, a person and a worker with processes."""

    site: Site
    actor: Actor
    worker: Worker

    def submit(self, pipeline: Pipeline, **more: Any) -> Run:
        """Submit a run."""
        return submit_run(self.site, self.actor, RunRequest(pipeline=pipeline, **more))

    def run(self, pipeline: Pipeline, **more: Any) -> Run:
        """Submit a run and drive it to its end."""
        run = self.submit(pipeline, **more)
        self.worker.run_until_done(run.id)
        return get_run(self.site, self.actor, run.id)

    def tasks(self, run: Run) -> dict[str, Task]:
        """The tasks of a run by path."""
        return {task.path: task for task in list_tasks(self.site, self.actor, run.id)}

    def fixture(self, name: str) -> Pipeline:
        """A compiled sample of a kfp construct."""
        return load_pipeline((PIPELINES / f"{name}.yaml").read_text(), place=name)


@pytest.fixture(scope="session")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    """One site for all integration tests of the engine."""
    home = open_home(tmp_path_factory.mktemp("engine") / "home")
    database = Database(sqlite_url(home.database))
    migrate(database, home)
    for tables in (store, artifact_tables):
        tables.metadata.create_all(database.engine)
    clock = SystemClock()
    site = Site(home=home, database=database, clock=clock, ids=Uuid7Ids(clock))
    namespace = ensure_namespace(site, "default", created_by="test")
    actor = Actor(person="alan", namespace_id=namespace.id, roles=frozenset({Role.CONTRIBUTOR}))
    worker = open_worker(site, WorkerOptions(slots=4, poll_seconds=0.05, grace_seconds=0.5))
    yield Works(site=site, actor=actor, worker=worker)
    worker.close()
    database.close()
