"""A worker without processes whose programs are Python functions, and a pipeline with a loss to minimise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tidemill.access import Actor, Role, ensure_namespace
from tidemill.artifacts import store as artifact_tables
from tidemill.artifacts.memory_store import MemoryStore
from tidemill.base.site import Site
from tidemill.engine import Worker, WorkerOptions, list_runs
from tidemill.engine import store as engine_tables
from tidemill.engine.launchers import MemoryLauncher
from tidemill.engine.testing import FakeEnvironments, FakePrograms, Step, pipeline_of
from tidemill.pipelines import Pipeline
from tidemill.tuning import Direction, Tuning, TuningRequest, parse_space
from tidemill.tuning import store as tuning_tables

SPACE = {"x": {"type": "float", "low": -4.0, "high": 4.0}, "shape": ["flat", "steep"]}


def loss(given: dict[str, Any]) -> dict[str, Any]:
    """Least, 0, at x = 1 and a flat shape."""
    return {"loss": (given["x"] - 1.0) ** 2 + (10.0 if given["shape"] == "steep" else 0.0)}


@dataclass
class Lab:
    """A site, a person, programs, and a worker to run the trials."""

    site: Site
    actor: Actor
    programs: FakePrograms
    new_worker: Callable[[], Worker]
    workers: list[Worker] = field(default_factory=list)

    @property
    def pipeline(self) -> Pipeline:
        """`load` once, then `measure` by x and shape."""
        steps = (
            Step(name="load"),
            Step(name="measure", inputs={"x": "$x", "shape": "$shape"}, outputs={"loss": float}, after=["load"]),
        )
        return pipeline_of(*steps, parameters={"x": float, "shape": str})

    def request(self, **changes: Any) -> TuningRequest:
        """A tuning of the pipeline."""
        given: dict[str, Any] = {
            "pipeline": self.pipeline,
            "space": parse_space(SPACE),
            "objective": "measure.loss",
            "direction": Direction.MINIMIZE,
            "trials": 6,
            "parallel": 2,
            "seed": 3,
            **changes,
        }
        return TuningRequest(**given)

    def work(self, tuning: Tuning | None = None) -> None:
        """Drive every run of the site to its end; also what `tune` waits with."""
        if not self.workers:
            self.workers.append(self.new_worker())
        for run in list_runs(self.site, self.actor).items:
            if not run.state.is_final:
                self.workers[0].run_until_done(run.id)


@pytest.fixture
def lab(site: Site) -> Iterator[Lab]:
    """A lab on a site of its own."""
    for tables in (engine_tables, artifact_tables, tuning_tables):
        tables.metadata.create_all(site.database.engine)
    namespace = ensure_namespace(site, "default", created_by="test")
    actor = Actor(person="alan", namespace_id=namespace.id, roles=frozenset({Role.CONTRIBUTOR}))
    programs = FakePrograms(measure=loss)

    def new_worker() -> Worker:
        options = WorkerOptions(poll_seconds=0.01, slots=4, grace_seconds=0.05)
        return Worker(site, MemoryStore(), MemoryLauncher(programs), options, environments=FakeEnvironments())

    made = Lab(site=site, actor=actor, programs=programs, new_worker=new_worker)
    yield made
    for worker in made.workers:
        worker.close()
