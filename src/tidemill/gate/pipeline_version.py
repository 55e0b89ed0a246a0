"""The pipeline version of a run: what decided its code, as the site recorded it."""

from __future__ import annotations

import re

from tidemill.base.canonical import without_nan
from tidemill.base.errors import InvalidInput
from tidemill.base.site import Site
from tidemill.engine import Run
from tidemill.engine.specs import read_spec
from tidemill.gate.model import PipelineVersion
from tidemill.pipelines import Pipeline, load_pipeline, local_imports
from tidemill.registry import RunOutputs

_PROJECT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ITERATION = re.compile(r"\[\d+\]")


def project_of(run: Run) -> str | None:
    """The project that a run says it is of, None when it names none that could be one."""
    said = run.origin.get("project")
    return said if isinstance(said, str) and _PROJECT.fullmatch(said) else None


def pipeline_version_of(site: Site, outputs: RunOutputs, project: str) -> PipelineVersion:
    """What decided the code of a run, taken from what the engine sealed and from the stored spec.

    Raises `NotFound` when the spec is not stored, `InvalidInput` when what is stored is another one, `Forbidden` when
    the record of the run was changed.
    """
    run = outputs.recorded.run
    pipeline = stored_pipeline(site, run.namespace_id, run.spec_digest)
    data = {name for name, _ in local_imports(pipeline)}
    locks = {task.path: task.lock_digest for task in outputs.recorded.tasks if task.lock_digest is not None}
    return PipelineVersion(
        project=project,
        spec_digest=run.spec_digest,
        run_id=run.id,
        author=run.author,
        locks={_ITERATION.sub("", path): digest for path, digest in locks.items()},
        parameters={name: without_nan(value) for name, value in sorted(run.parameters.items()) if name not in data},
        data=tuple(sorted(outputs.data_versions())),
    )


def stored_pipeline(site: Site, namespace_id: str, spec_digest: str) -> Pipeline:
    """The pipeline of a digest; `NotFound`, and `InvalidInput` when the stored text has another digest."""
    with site.database.read() as connection:
        text = read_spec(connection, spec_digest, namespace_id=namespace_id)
    pipeline = load_pipeline(text, place=spec_digest)
    if pipeline.digest != spec_digest:
        raise InvalidInput(f"the stored spec has the digest {pipeline.digest}", place=spec_digest)
    return pipeline
