"""The verb submit_run: a pipeline and its parameters become a run that waits for a worker."""

from __future__ import annotations

from sqlalchemy import insert

from tidemill.access.model import Actor, Permission
from tidemill.artifacts import artifact
from tidemill.base.errors import InvalidInput
from tidemill.base.events import append_event
from tidemill.base.repeats import subject_done
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.engine import rows
from tidemill.engine.data_read import data_given
from tidemill.engine.find import get_run
from tidemill.engine.model import Run, RunRequest, State
from tidemill.engine.seals import seal_run
from tidemill.engine.specs import keep_spec
from tidemill.engine.store import run_rows
from tidemill.engine.supported import check_supported
from tidemill.pipelines import check_arguments

MAX_NAME_CHARACTERS = 256


def submit_run(site: Site, actor: Actor, request: RunRequest) -> Run:
    """Store the spec and a PENDING run of it, durably; a worker takes it from there. An id makes one run.

    Raises `InvalidInput` for parameters that do not fit, for a construct the engine does not run, `NotFound` for an
    input artifact, `Forbidden`.
    """
    actor.demand(Permission.WRITE)
    if (made := subject_done("run.submitted")) is not None:
        return get_run(site, actor, made)
    pipeline = request.pipeline
    check_supported(pipeline)
    parameters = check_arguments(pipeline, dict(request.parameters))
    _check_artifacts(site, actor, request)
    if request.parallelism is not None and request.parallelism < 1:
        raise InvalidInput("the parallelism of a run is at least 1", place="parallelism")
    for what, text in (("name", request.name or ""), ("experiment", request.experiment)):
        if len(text) > MAX_NAME_CHARACTERS or not text.isprintable():
            raise InvalidInput(f"the {what} of a run is up to {MAX_NAME_CHARACTERS} printable characters", place=what)
    run = _new_run(site, actor, request, parameters)
    key, values = signing_key(site.home), _values(run, request)
    with site.database.write() as connection:
        if request.id is not None and (row := rows.run_row(connection, actor.namespace_id, request.id)) is not None:
            return rows.run_of(row)
        keep_spec(connection, pipeline, namespace_id=actor.namespace_id, created_by=actor.person, now=run.created_at)
        connection.execute(insert(run_rows).values(**values, seal=seal_run(key, values)))
        append_event(
            connection,
            site.clock,
            namespace_id=actor.namespace_id,
            kind="run.submitted",
            subject_id=run.id,
            data={"name": run.name, "pipeline": run.pipeline_name},
            created_by=actor.person,
        )
    return run


def _check_artifacts(site: Site, actor: Actor, request: RunRequest) -> None:
    known = request.pipeline.root.inputs.artifacts
    for name, artifact_id in request.artifacts.items():
        if name not in known:
            raise InvalidInput(f"the pipeline has no input artifact {name!r}", place="artifacts")
        artifact(site, actor, artifact_id)
    missing = [name for name, spec in known.items() if not spec.optional and name not in request.artifacts]
    if missing:
        raise InvalidInput(
            f"the input artifact {missing[0]!r} is missing",
            place="artifacts",
            remedy=f'POST /api/v1/runs takes "artifacts": {{"{missing[0]}": ARTIFACT_ID}}; '
            "from the command line, let an importer of the pipeline bring it",
        )


def _new_run(site: Site, actor: Actor, request: RunRequest, parameters: dict[str, object]) -> Run:
    run_id = request.id or site.ids.new()
    return Run(
        id=run_id,
        namespace_id=actor.namespace_id,
        name=request.name or f"{request.pipeline.name}-{run_id[:8]}{run_id[-4:]}",
        experiment=request.experiment,
        state=State.PENDING,
        pipeline_name=request.pipeline.name,
        spec_digest=request.pipeline.digest,
        parameters=parameters,
        caching=request.caching,
        origin=_origin(site, actor, request, parameters),
        outputs={},
        failure=None,
        notices=tuple(f"{note.place}: {note.text}" for note in request.pipeline.notes),
        trace_id=run_id,
        author=actor.person,
        created_at=site.clock.now(),
        started_at=None,
        finished_at=None,
        generation=1,
    )


def _origin(site: Site, actor: Actor, request: RunRequest, parameters: dict[str, object]) -> dict[str, object]:
    """What was said of where it came from; the data versions are those that were checked, not those that were said."""
    said = {name: value for name, value in request.origin.items() if name != "data"}
    with site.database.read() as connection:
        data = data_given(connection, actor.namespace_id, request.pipeline, parameters)
    return {**said, **({"data": data} if data else {})}


def _values(run: Run, request: RunRequest) -> dict[str, object]:
    same = ("id", "namespace_id", "name", "experiment", "pipeline_name", "spec_digest", "parameters", "caching")
    more = ("origin", "outputs", "trace_id", "created_at", "generation")
    return {
        **{name: getattr(run, name) for name in (*same, *more)},
        "state": run.state.value,
        "artifacts": dict(request.artifacts),
        "parallelism": request.parallelism,
        "notices": list(run.notices),
        "fencing_token": 0,
        "engine_faults": 0,
        "created_by": run.author,
    }
