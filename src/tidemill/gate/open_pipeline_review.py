"""The verb open_pipeline_review: a pipeline version asks to be the one that production runs, without a model."""

from __future__ import annotations

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, InvalidInput
from tidemill.base.repeats import subject_done
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.engine import State, get_run
from tidemill.gate.approved_pipeline import approved_pipeline
from tidemill.gate.find import get_review
from tidemill.gate.model import PipelineReviewRequest, PipelineVersion, Review, Subject
from tidemill.gate.opening import Asked, check_names, keep_open, new_review, policy_for
from tidemill.gate.pipeline_version import pipeline_version_of, project_of
from tidemill.gate.policy import BoundPolicy
from tidemill.gate.run_checks import run_checks
from tidemill.registry import RunOutputs

SHORT_DIGITS = 12


def open_pipeline_review(site: Site, actor: Actor, request: PipelineReviewRequest) -> Review:
    """Ask for the pipeline version of a run to be the approved one of its project in an environment.

    The policy says how many must approve; neither the author of the run nor whoever asks may. An open review of a
    pipeline version of the same service and environment is superseded. Raises `InvalidInput` for a run of no project,
    or of another one than the service's, `NotFound`, `Conflict` for a run that has not succeeded, and when that
    pipeline version is the approved one already.
    """
    actor.demand(Permission.WRITE)
    check_names(request.environment, request.service)
    bound = policy_for(site, actor, request.policy, environment=request.environment, service=request.service)
    review_id = subject_done("review.opened") or _open(site, actor, request, bound)
    run_checks(site, actor.namespace_id, review_id)
    return get_review(site, actor, review_id)


def _open(site: Site, actor: Actor, request: PipelineReviewRequest, bound: BoundPolicy) -> str:
    pipeline = _pipeline(site, actor, request, bound.project)
    asked = Asked(
        subject=Subject.PIPELINE,
        model_version_id=None,
        version_label=f"{pipeline.project} pipeline {pipeline.digest.removeprefix('sha256:')[:SHORT_DIGITS]}",
        package_digest=pipeline.digest,
        pipeline=pipeline,
    )
    review = new_review(site, actor, request, bound, asked)
    key = signing_key(site.home)
    with site.database.write() as connection:
        keep_open(connection, site, key, actor, review)
    return review.id


def _pipeline(site: Site, actor: Actor, request: PipelineReviewRequest, owner: str) -> PipelineVersion:
    outputs = RunOutputs(site, actor.namespace_id, get_run(site, actor, request.run_id).id)
    run = outputs.recorded.run
    place = f"run {run.id}"
    if run.state is not State.SUCCEEDED:
        raise Conflict(f"the run is {run.state.value}", place=place, remedy="name a run that succeeded")
    project = project_of(run)
    if project is None:
        raise InvalidInput("the run is of no project", place=place, remedy="run it in the folder of its tidemill.toml")
    if owner not in ("", project):
        raise InvalidInput(
            f"the run is of the project {project}, the service {request.service} of {owner}",
            place=place,
            remedy=f"name a run of {owner}",
        )
    pipeline = pipeline_version_of(site, outputs, project)
    with site.database.read() as connection:
        known = approved_pipeline(connection, site, actor.namespace_id, project, request.environment)
    if known is not None and not known.version.departures(pipeline):
        raise Conflict(
            f"this pipeline version is approved for {request.environment} already, by review {known.review_id}",
            remedy="tidemill run starts a run of it",
        )
    return pipeline
