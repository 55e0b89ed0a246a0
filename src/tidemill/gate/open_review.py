"""The verb open_review: a model version asks to go live."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, NotFound
from tidemill.base.repeats import subject_done
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.gate.checks import Check, find_checks
from tidemill.gate.find import get_review
from tidemill.gate.model import PipelineVersion, Review, ReviewRequest, Subject
from tidemill.gate.opening import Asked, check_names, keep_open, new_review, policy_for
from tidemill.gate.pipeline_version import pipeline_version_of, project_of
from tidemill.gate.policy import BoundPolicy
from tidemill.gate.run_checks import run_checks
from tidemill.registry import ModelVersion, RunOutputs, VersionState, get_version
from tidemill.registry.pointer import live_pointer_in


def open_review(
    site: Site, actor: Actor, request: ReviewRequest, *, checks: Mapping[str, Check] | None = None
) -> Review:
    """Ask for a version to pass the gate, and run the checks (seconds: the smoke test starts a fresh process).

    In a gated environment the policy is the one that was applied for the service, if any, whatever the request brings.
    Whoever approves approves the pipeline version of its run, too, where the run is of the service's project. An open
    review of the same service and environment is superseded. Raises `InvalidInput` for a policy or a name that cannot
    be, `NotFound` for an unknown version, `Conflict` when the version is retired or live there already, `Forbidden`
    when the record of its run was changed. `checks` takes the place of the built-in checks in tests; every check of the
    policy must be among them.
    """
    actor.demand(Permission.WRITE)
    check_names(request.environment, request.service)
    where = {"environment": request.environment, "service": request.service}
    bound = policy_for(site, actor, request.policy, **where)
    usable = find_checks(bound.policy) if checks is None else checks
    review_id = subject_done("review.opened") or _open(site, actor, request, bound)
    run_checks(site, actor.namespace_id, review_id, checks=usable)
    return get_review(site, actor, review_id)


def _open(site: Site, actor: Actor, request: ReviewRequest, bound: BoundPolicy) -> str:
    version = get_version(site, actor, request.model_version_id)
    if version.state is not VersionState.READY:
        raise Conflict(f"{version.label} is {version.state}", remedy="ask for a version that is ready")
    asked = Asked(
        subject=Subject.MODEL,
        model_version_id=version.id,
        version_label=version.label,
        package_digest=version.package_digest,
        pipeline=_pipeline(site, actor, version, bound.project),
    )
    review = new_review(site, actor, request, bound, asked)
    key = signing_key(site.home)
    with site.database.write() as connection:
        _refuse_live(connection, review)
        keep_open(connection, site, key, actor, review)
    return review.id


def _pipeline(site: Site, actor: Actor, version: ModelVersion, owner: str) -> PipelineVersion | None:
    """The pipeline version behind a version; None when its run is gone, or of another project than the service's."""
    try:
        outputs = RunOutputs(site, actor.namespace_id, version.run_id)
        run = outputs.recorded.run
        project = project_of(run)
        if project is None or owner not in ("", project) or run.spec_digest != version.spec_digest:
            return None
        return pipeline_version_of(site, outputs, project)
    except NotFound:
        return None


def _refuse_live(connection: Connection, review: Review) -> None:
    pointer = live_pointer_in(connection, review.namespace_id, review.environment, review.service)
    if pointer is not None and pointer.model_version_id == review.model_version_id:
        raise Conflict(f"{review.version_label} is live already as {review.service} in {review.environment}")
