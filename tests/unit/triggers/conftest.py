"""Triggers on a site whose clock stands still: a pipeline that people approved, and runs without processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection
from tests.conftest import FixedClock, People, people_of

from tidemill.artifacts.memory_store import MemoryStore
from tidemill.base.events import Event, events_after
from tidemill.base.site import Site
from tidemill.data import Dvc
from tidemill.engine import Run, RunRequest, Worker, WorkerOptions, list_runs, submit_run
from tidemill.engine.launchers import MemoryLauncher
from tidemill.engine.testing import FakeEnvironments, FakePrograms, Step, pipeline_of
from tidemill.pipelines import Pipeline
from tidemill.triggers import (
    Action,
    Firing,
    ModelOutputs,
    Then,
    Trigger,
    TriggerSpec,
    advance_firings,
    declare_triggers,
)
from tidemill.triggers import fire as fire_trigger
from tidemill.triggers.find import find_trigger, list_firings


@dataclass(frozen=True)
class FakeApproved:
    """An approved pipeline version, as the gate would prove it."""

    spec_digest: str
    run_id: str
    parameters: Mapping[str, Any]
    review_id: str = "review"


class NoDvc:
    """A DVC that nobody should need."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"DVC was asked for {name}")


@dataclass
class Mill:
    """A site with its people, and what a trigger of the project `fuel` does."""

    site: Site
    clock: FixedClock
    people: People
    worker: Worker
    programs: FakePrograms
    dvc: Dvc
    approved: dict[tuple[str, str], FakeApproved] = field(default_factory=dict)

    @property
    def pipeline(self) -> Pipeline:
        """One step with one parameter."""
        return pipeline_of(Step(name="train", inputs={"alpha": "$alpha"}), name="fuel", parameters={"alpha": float})

    def approvals(
        self, connection: Connection, site: Site, namespace_id: str, project: str, environment: str, /
    ) -> FakeApproved | None:
        """What was approved in this test."""
        assert namespace_id == self.people.author.namespace_id
        return self.approved.get((project, environment))

    def approve(self, pipeline: Pipeline | None = None, **parameters: Any) -> Run:
        """Have a pipeline version approved, taken from a run that ends."""
        given = parameters or {"alpha": 0.25}
        request = RunRequest(pipeline=pipeline or self.pipeline, parameters=given, origin={"file": "fuel.ipynb"})
        run = submit_run(self.site, self.people.author, request)
        self.work()
        self.approved["fuel", "production"] = FakeApproved(run.spec_digest, run.id, run.parameters)
        return run

    def spec(self, name: str = "nightly", kind: str = "person", **changes: Any) -> TriggerSpec:
        """A trigger whose run is all, unless told."""
        outputs = ModelOutputs(name="fuel", output="train.model", sample="train.rows")
        action: dict[str, Any] = {"project": "fuel", "environment": "production", "service": "fuel", "model": outputs}
        action |= {"then": Then.NOTHING, **changes.pop("action", {})}
        return TriggerSpec(name=name, kind=kind, action=Action(**action), **changes)

    def declare(self, *specs: TriggerSpec, project: str = "fuel") -> None:
        """Apply a project with these triggers."""
        with self.site.database.write() as connection:
            declare_triggers(connection, self.site, self.people.author, project, specs, source="a test")

    def trigger(self, name: str = "nightly") -> Trigger:
        """The trigger of that name."""
        return find_trigger(self.site, self.people.author.namespace_id, name)

    def fire(self, name: str = "nightly", key: str | None = None, **more: Any) -> Firing:
        """Fire by a person."""
        return fire_trigger(self.site, self.people.author, name, self.approvals, key=key, **more)

    def advance(self, rounds: int = 1) -> None:
        """The controller's round."""
        for _ in range(rounds):
            advance_firings(self.site, self.approvals, self.dvc)

    def work(self) -> None:
        """Drive every run of the site to its end."""
        for run in list_runs(self.site, self.people.author).items:
            if not run.state.is_final:
                self.worker.run_until_done(run.id)

    def firings(self, name: str = "nightly") -> list[Firing]:
        """All firings, oldest first."""
        return list_firings(self.site, self.people.viewer, name, limit=500)[::-1]

    def production_runs(self) -> list[Run]:
        """The runs that firings made."""
        return [run for run in list_runs(self.site, self.people.viewer, page_size=500).items if "firing" in run.origin]

    def events(self, *kinds: str) -> list[Event]:
        """The events of these kinds."""
        with self.site.database.read() as connection:
            return events_after(
                connection, namespace_id=self.people.author.namespace_id, number=0, kinds=kinds, limit=1000
            )


@pytest.fixture
def mill(still_site: Site, clock: FixedClock) -> Iterator[Mill]:
    """A mill on a site of its own."""
    programs = FakePrograms()
    worker = Worker(
        still_site,
        MemoryStore(),
        MemoryLauncher(programs),
        WorkerOptions(poll_seconds=0.01, slots=4, grace_seconds=0.05),
        environments=FakeEnvironments(),
    )
    people = people_of(still_site)
    yield Mill(site=still_site, clock=clock, people=people, worker=worker, programs=programs, dvc=NoDvc())
    worker.close()
