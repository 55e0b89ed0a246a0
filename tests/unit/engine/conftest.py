"""A worker without processes: a memory store, a memory launcher, programs that are Python functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tidemill.access import Actor, Role, ensure_namespace
from tidemill.artifacts import store as artifact_tables
from tidemill.artifacts.memory_store import MemoryStore
from tidemill.base.site import Site
from tidemill.engine import Run, RunRequest, State, Worker, WorkerOptions, get_run, list_tasks, store, submit_run
from tidemill.engine.launchers import MemoryLauncher
from tidemill.engine.testing import FakeEnvironments, FakePrograms
from tidemill.pipelines import Pipeline


@dataclass
class Bench:
    """A site, a person, a store and programs; `worker` makes another worker on the same database."""

    site: Site
    actor: Actor
    blobs: MemoryStore
    programs: FakePrograms
    worker: Callable[..., Worker]

    def submit(self, pipeline: Pipeline, **more: Any) -> Run:
        """Submit a run."""
        return submit_run(self.site, self.actor, RunRequest(pipeline=pipeline, **more))

    def run(self, pipeline: Pipeline, **more: Any) -> Run:
        """Submit a run and drive it to its end."""
        run = self.submit(pipeline, **more)
        self.worker().run_until_done(run.id)
        return get_run(self.site, self.actor, run.id)

    def states(self, run: Run) -> dict[str, State]:
        """The states of a run's tasks by path."""
        return {task.path: task.state for task in list_tasks(self.site, self.actor, run.id)}


@pytest.fixture
def bench(site: Site) -> Iterator[Bench]:
    """A bench on a site of its own."""
    store.metadata.create_all(site.database.engine)
    artifact_tables.metadata.create_all(site.database.engine)
    namespace = ensure_namespace(site, "default", created_by="test")
    actor = Actor(person="alan", namespace_id=namespace.id, roles=frozenset({Role.CONTRIBUTOR}))
    blobs, programs = MemoryStore(), FakePrograms()
    workers: list[Worker] = []

    def worker(**options: Any) -> Worker:
        made = Worker(
            site,
            blobs,
            MemoryLauncher(programs),
            WorkerOptions(**{"poll_seconds": 0.01, "slots": 4, "grace_seconds": 0.05, **options}),
            environments=FakeEnvironments(),
        )
        workers.append(made)
        return made

    yield Bench(site=site, actor=actor, blobs=blobs, programs=programs, worker=worker)
    for made in workers:
        made.close()
