"""The verb register_version: a run's model becomes a package and a model version."""

from __future__ import annotations

import math
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.artifacts import Artifact, Content, NewArtifact, ingest, materialize, pin, record_artifact
from tidemill.base.canonical import without_nan
from tidemill.base.errors import Conflict, InvalidInput
from tidemill.base.events import append_event
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.engine import Run, State, get_run
from tidemill.locks import Lock, ensure_venv, run_module
from tidemill.registry import store
from tidemill.registry.model import Model, ModelVersion, RegisterRequest, VersionState
from tidemill.registry.package_content import lock_document
from tidemill.registry.run_outputs import RunOutputs
from tidemill.registry.run_step import StepFacts, step_of
from tidemill.registry.seal import seal_version

PACKAGE_SECONDS = 600.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def register_version(site: Site, actor: Actor, request: RegisterRequest) -> ModelVersion:
    """Package a model of a succeeded run in a fresh process of the run's lock, and count it as a version.

    The same package of the same run registered again is the version that it became. Raises `InvalidInput` for a name
    or an output that cannot be, `NotFound`, `Conflict` for a run that has not succeeded, `RunFailed` with the log's
    end when the model cannot be packaged.
    """
    actor.demand(Permission.WRITE)
    if not _NAME.fullmatch(request.model):
        raise InvalidInput(
            f"{request.model[:80]!r} is no name of a model",
            place="model",
            remedy="use up to 63 of: lower-case letters, digits, inner hyphens",
        )
    get_run(site, actor, request.run_id)
    outputs = RunOutputs(site, actor.namespace_id, request.run_id)
    run = outputs.recorded.run
    if run.state is not State.SUCCEEDED:
        raise Conflict(f"the run is {run.state.value}", place=f"run {run.id}", remedy="register a run that succeeded")
    model = outputs.artifact(request.model_output)
    step = step_of(site, run, outputs.task(request.model_output))
    package = _package(site, request, outputs, model, step)
    metrics = {**outputs.metrics(), **_finite(request.metrics)}
    data_versions = {**request.data_versions, **outputs.data_versions()}
    with site.database.write() as connection:
        known = store.version_of_package(connection, run, request.model, package.content.digest)
        if known is not None:
            return known
        artifact = record_artifact(
            connection, site, _new_artifact(model, run, package), namespace_id=run.namespace_id, created_by=actor.person
        )
        version = replace(_version(site, actor, request, run, package), metrics=metrics, data_versions=data_versions)
        return _keep(connection, site, version, artifact.id)


@dataclass(frozen=True, slots=True)
class _Package:
    """A package in the store, its `model.json`, and the lock that it was made in."""

    content: Content
    document: dict[str, Any]
    lock: Lock


def _package(site: Site, request: RegisterRequest, outputs: RunOutputs, model: Artifact, step: StepFacts) -> _Package:
    venv = ensure_venv(site, step.lock)
    with tempfile.TemporaryDirectory(dir=site.home.work, prefix="package-") as folder:
        work = Path(folder)
        sources = {"model": model, "sample": outputs.artifact(request.sample_output)}
        names = {"model": request.model_output, "sample": request.sample_output}
        if request.profile_output is not None:
            sources["profile"] = outputs.artifact(request.profile_output)
            names["profile"] = request.profile_output
        reply = run_module(
            venv,
            "tidemill_runtime.package",
            {
                "schema_version": 1,
                "name": request.model,
                **{role: _source(site, found, names[role], work / role) for role, found in sources.items()},
                "lock": lock_document(step.lock),
                "program": step.program,
                "parameters": step.parameters,
                "made_from": {
                    "run_id": request.run_id,
                    "model_output": request.model_output,
                    "sample_output": request.sample_output,
                    "profile_output": request.profile_output or "",
                },
                "output": str(work / "package"),
            },
            timeout_seconds=PACKAGE_SECONDS,
            log=site.home.logs / "packages" / f"{request.run_id}.log",
        )
        if "error" in reply:
            raise InvalidInput(
                str(reply["error"]),
                place=str(reply["place"]),
                remedy="name another output in [model], or correct the step that makes this one and run again",
            )
        return _Package(ingest(site, work / "package"), reply["model"], step.lock)


def _new_artifact(model: Artifact, run: Run, package: _Package) -> NewArtifact:
    """The package as an artifact of the task that made the model."""
    return NewArtifact(
        name=f"{package.document['name']}-package",
        type="system.Model",
        content=package.content,
        metadata={"flavour": package.document["flavour"], "format": package.document["file"]["format"]},
        run_id=run.id,
        task_id=model.task_id,
        attempt_id=model.attempt_id,
    )


def _version(site: Site, actor: Actor, request: RegisterRequest, run: Run, package: _Package) -> ModelVersion:
    """The version before it is counted."""
    return ModelVersion(
        id=site.ids.new(),
        namespace_id=run.namespace_id,
        model=request.model,
        number=0,
        state=VersionState.READY,
        package_digest=package.content.digest,
        package_artifact_id="",
        run_id=run.id,
        lock_digest=package.lock.digest,
        spec_digest=run.spec_digest,
        signature=package.document["signature"],
        metrics={},
        parameters=without_nan(run.parameters),
        data_versions={},
        code_commit=request.code_commit or run.origin.get("commit"),
        author=request.author or run.author,
        run_author=run.author,
        created_by=actor.person,
        created_at=site.clock.now(),
        generation=1,
    )


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}


def _source(site: Site, found: Artifact, reference: str, target: Path) -> dict[str, Any]:
    if found.content is None:
        raise InvalidInput("has no content in the store", place=reference)
    materialize(site, found.content, target)
    # an artifact that an attempt of a step wrote; what an importer brought in could be anybody's pickle
    made_here = found.attempt_id is not None
    return {"name": reference, "path": str(target), "metadata": found.metadata, "made_here": made_here}


def _keep(connection: Connection, site: Site, version: ModelVersion, artifact_id: str) -> ModelVersion:
    """Count the version, write it with its seal, and pin its package, in the caller's transaction."""
    namespace_id = version.namespace_id
    model = store.model_by_name(connection, namespace_id, version.model, lock=True)
    if model is None:
        model = Model(
            id=site.ids.new(),
            namespace_id=namespace_id,
            name=version.model,
            versions=0,
            created_by=version.created_by,
            created_at=version.created_at,
        )
        store.insert_model(connection, model)
    number = store.next_number(connection, namespace_id, model.id)
    counted = replace(version, number=number, package_artifact_id=artifact_id)
    counted = replace(counted, seal=seal_version(signing_key(site.home), counted))
    store.insert_version(connection, counted, model.id)
    owner = f"model-version:{counted.id}"
    pin(connection, site, [artifact_id], owner=owner, namespace_id=namespace_id, created_by=counted.created_by)
    append_event(
        connection,
        site.clock,
        namespace_id=namespace_id,
        kind="model_version.registered",
        subject_id=counted.id,
        data={"label": counted.label, "run_id": counted.run_id, "package_digest": counted.package_digest},
        created_by=counted.created_by,
    )
    return counted
