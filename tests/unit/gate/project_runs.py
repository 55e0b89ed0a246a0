"""Runs of a project for the tests of the gate: a data file, a step that trains, no processes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import People
from tests.unit.gate.candidates import add_version

from tidemill.access import Actor
from tidemill.artifacts import NewArtifact, ingest, record_artifact
from tidemill.artifacts.memory_store import MemoryStore
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.engine import Run, RunRequest, State, Worker, WorkerOptions, get_run, submit_run
from tidemill.engine.importing import STORED
from tidemill.engine.launchers import MemoryLauncher
from tidemill.engine.testing import FakeEnvironments, FakePrograms, Step, pipeline_of
from tidemill.pipelines import Pipeline, load_pipeline
from tidemill.registry import ModelVersion, RunOutputs


def training_pipeline(code: str = "fit", more_steps: tuple[Step, ...] = ()) -> Pipeline:
    """A pipeline `fuel` that imports `cars.csv` and trains; another `code` makes it another pipeline version."""
    train = Step(
        name="train",
        image=code,
        inputs={"alpha": "$alpha"},
        files={"model": "system.Model"},
    )
    spec = json.loads(json.dumps(pipeline_of(train, *more_steps, name="fuel", parameters={"alpha": float}).raw))
    dataset = {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}
    spec["root"]["inputDefinitions"]["parameters"]["data"] = {"parameterType": "STRING"}
    spec["root"]["dag"]["tasks"]["import-cars"] = {
        "taskInfo": {"name": "cars.csv"},
        "componentRef": {"name": "comp-import"},
        "inputs": {"parameters": {"uri": {"componentInputParameter": "data"}}},
    }
    spec["components"]["comp-import"] = {
        "executorLabel": "exec-import",
        "inputDefinitions": {"parameters": {"uri": {"parameterType": "STRING"}}},
        "outputDefinitions": {"artifacts": {"artifact": {"artifactType": dataset}}},
    }
    spec["deploymentSpec"]["executors"]["exec-import"] = {
        "importer": {"artifactUri": {"runtimeParameter": "uri"}, "typeSchema": dataset}
    }
    return load_pipeline(json.dumps(spec), place="fuel")


@dataclass
class ProjectRuns:
    """A site with a worker, and its people."""

    site: Site
    people: People
    blobs: MemoryStore
    worker: Worker
    fails: bool = False

    def data(self, rows: bytes = b"a\n1\n", *, path: str = "cars.csv", by: Actor | None = None) -> str:
        """A data file that somebody brought in; the URI that a run takes."""
        actor = by or self.people.author
        new = NewArtifact(name=path, type="system.Dataset", content=self.blobs.put(rows), metadata={"path": path})
        with self.site.database.write() as connection:
            made = record_artifact(connection, self.site, new, namespace_id=actor.namespace_id, created_by=actor.person)
        return STORED + made.id

    def run(
        self,
        pipeline: Pipeline | None = None,
        *,
        project: str | None = "fuel",
        by: Actor | None = None,
        **parameters: Any,
    ) -> Run:
        """A run that succeeded, with `alpha` and `data` unless they are given."""
        actor = by or self.people.author
        given = {"alpha": 0.5, **parameters}
        given.setdefault("data", self.data())
        origin = {} if project is None else {"project": project, "file": "pipeline.ipynb"}
        request = RunRequest(pipeline=pipeline or training_pipeline(), parameters=given, origin=origin)
        run = submit_run(self.site, actor, request)
        state = self.worker.run_until_done(run.id)
        done = get_run(self.site, actor, run.id)
        assert state is (State.FAILED if self.fails else State.SUCCEEDED), done.failure
        return done

    def register(
        self, run: Run, *, model_output: str = "train.model", is_sealed: bool = True, **claims: Any
    ) -> ModelVersion:
        """A version as the site registers one, without the process that packages it; `claims` are other values."""
        outputs = RunOutputs(self.site, run.namespace_id, run.id)
        made = {"run_id": run.id, "model_output": model_output, "sample_output": "train.model", "profile_output": ""}
        with tempfile.TemporaryDirectory(dir=self.site.home.work) as folder:
            (Path(folder) / "model.json").write_text(json.dumps({"made_from": made}))
            package = ingest(self.site, Path(folder))
        values = {"metrics": outputs.metrics(), "data_versions": outputs.data_versions(), **claims}
        return add_version(
            self.site,
            self.people.author,
            run=run,
            package_digest=package.digest,
            key=signing_key(self.site.home) if is_sealed else None,
            **values,
        )


@contextmanager
def project_runs_on(site: Site, people: People, environments: FakeEnvironments | None = None) -> Iterator[ProjectRuns]:
    """Runs on a site, by a worker without processes."""
    blobs = MemoryStore()
    programs = FakePrograms()
    options = WorkerOptions(poll_seconds=0.01, slots=2, grace_seconds=0.05)
    worker = Worker(site, blobs, MemoryLauncher(programs), options, environments=environments or FakeEnvironments())
    made = ProjectRuns(site=site, people=people, blobs=blobs, worker=worker)

    def train(inputs: dict[str, Any]) -> int | None:
        inputs["model"].write_bytes(f"model {inputs['alpha']}".encode())
        return 1 if made.fails else None

    programs.programs["train"] = train
    yield made
    worker.close()
