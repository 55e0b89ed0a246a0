"""Passing without a person: a version by a run of the pipeline version that people approved, under their policy."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tidemill.access import AUTOMATIC, Actor, Role
from tidemill.base.errors import Conflict, Forbidden, TidemillError
from tidemill.base.events import append_event
from tidemill.base.signing import public_key, signing_key
from tidemill.base.site import Site
from tidemill.gate import rows, store
from tidemill.gate.approved_pipeline import approved_pipeline
from tidemill.gate.bound import binding_policy
from tidemill.gate.check_seal import prove_checks
from tidemill.gate.decide import decide_if_passed
from tidemill.gate.find import review_in
from tidemill.gate.model import ApprovedPipeline, Automatic, CheckState, Review, ReviewState, Subject
from tidemill.gate.pipeline_version import pipeline_version_of
from tidemill.gate.policy import Policy
from tidemill.gate.verify import departures, reviewed_version
from tidemill.registry import ModelVersion, MoveKind, RunOutputs, package_document
from tidemill.registry.pointer import moves_in
from tidemill.registry.seal import prove_version


def settle_automatically(site: Site, namespace_id: str, review_id: str) -> None:
    """Let a review pass where its policy lets the site decide, or write down why people must.

    Only while it is open, all its checks have run and the site has not said anything yet. Whatever cannot be proven is
    for people.
    """
    with site.database.read() as connection:
        review = review_in(connection, namespace_id, review_id)
        version = reviewed_version(connection, review)
        known = _approved(connection, site, review)
    if not _is_due(review) or version is None:
        return
    found = [known] if isinstance(known, str) else _objections(site, review, version, known)
    key = signing_key(site.home)
    actor = Actor(person=AUTOMATIC, namespace_id=namespace_id, roles=frozenset({Role.VIEWER}))
    with site.database.write() as connection:
        now = review_in(connection, namespace_id, review_id, lock=True)
        if now.generation != review.generation:
            return  # somebody decided meanwhile
        if not found and _approved(connection, site, review) != known:
            found = ["another pipeline version was approved meanwhile"]
        if not found and not isinstance(known, str):
            said = Automatic(passed=True, pipeline_review_id=known.review_id, approved_by=known.approved_by)
            if not decide_if_passed(connection, site, key, actor, review_id, said):
                raise Conflict("the review changed meanwhile", place=f"review {review_id}")
            return
        _leave_to_people(connection, site, review, found)


def _is_due(review: Review) -> bool:
    is_asked = review.policy.automatic and review.subject is Subject.MODEL and review.automatic is None
    return is_asked and review.state is ReviewState.OPEN and review.checks_state is not CheckState.PENDING


def _leave_to_people(connection: Connection, site: Site, review: Review, reasons: list[str]) -> None:
    if not store.leave_to_people(connection, review, Automatic(passed=False, reasons=tuple(reasons))):
        return
    append_event(
        connection,
        site.clock,
        namespace_id=review.namespace_id,
        kind="review.left_to_people",
        subject_id=review.id,
        data={"model_version": review.version_label, "reasons": reasons},
        created_by=AUTOMATIC,
    )


def _approved(connection: Connection, site: Site, review: Review) -> ApprovedPipeline | str:
    """The approved pipeline version of the review's project and environment, or why there is none to go by."""
    if review.pipeline is None:
        return "its run is of no project, or of another than the service's"
    project, environment = review.pipeline.project, review.environment
    try:
        found = approved_pipeline(connection, site, review.namespace_id, project, environment)
    except TidemillError as problem:
        return f"the approved pipeline version does not prove: {problem.message}"
    return found or f"no pipeline version of {project} is approved for {environment} yet"


def _objections(site: Site, review: Review, version: ModelVersion, known: ApprovedPipeline) -> list[str]:
    """Why people must decide, in words; empty when the version may pass by itself."""
    found = [f"the check {each.name} failed" for each in review.checks if each.state is CheckState.FAILED]
    found += departures(known, review)
    with site.database.read() as connection:
        found += _taken_back(connection, review, known)
        bound = binding_policy(connection, review.namespace_id, review.environment, review.service)
    if bound is not None and bound.policy != review.policy:
        found.append("another policy was applied since the review was opened")
    try:
        found += _claims(site, review, version)
    except TidemillError as problem:
        found.append(f"{problem.place}: {problem.message}" if problem.place else problem.message)
    return found


def _taken_back(connection: Connection, review: Review, known: ApprovedPipeline) -> list[str]:
    """What a guard or a person took back is not to come again by itself: not before people approve its code anew."""
    wanted = rows.ReviewFilter(states=(ReviewState.APPROVED,), environment=review.environment, service=review.service)
    approved = [
        each
        for each in rows.reviews_of(connection, review.namespace_id, wanted)
        if each.pipeline is not None and not known.version.departures(each.pipeline)
    ]
    labels = {each.model_version_id: each.version_label for each in approved if each.model_version_id is not None}
    by_people = max((each.closed_at for each in approved if each.approvals and each.closed_at), default=None)
    for move in reversed(moves_in(connection, review.namespace_id, review.environment, review.service)):
        if by_people is not None and move.moved_at <= by_people:
            break
        if move.kind is MoveKind.ROLLED_BACK and move.from_version_id in labels:
            label = labels[move.from_version_id]
            return [f"{label}, made by this pipeline version, was taken back by {move.moved_by}"]
    return []


def _claims(site: Site, review: Review, version: ModelVersion) -> list[str]:
    """What a version claims and its run does not prove; raises where a record was changed."""
    prove_checks(public_key(site.home), review)
    prove_version(public_key(site.home), version)
    outputs = RunOutputs(site, version.namespace_id, version.run_id)
    wanted = review.pipeline
    if wanted is None or pipeline_version_of(site, outputs, wanted.project) != wanted:
        raise Forbidden("the run is recorded otherwise than when the review was opened", place=f"run {version.run_id}")
    found = [f"{path} brought in what the site has no version of" for path in outputs.unversioned()]
    if version.data_versions != outputs.data_versions():
        found.append("it claims data versions that its run did not read")
    if version.metrics != outputs.metrics():
        found.append("it claims metrics that its run did not report")
    if _made_of(package_document(site, version)) != _asked(review.policy):
        found.append("it is made of other outputs than the policy says")
    return found


def _made_of(document: dict[str, Any]) -> tuple[str, ...]:
    made = document.get("made_from", {})
    return tuple(str(made.get(f"{name}_output", "")) for name in ("model", "sample", "profile"))


def _asked(policy: Policy) -> tuple[str, ...]:
    wanted = policy.outputs
    return () if wanted is None else (wanted.model, wanted.sample, wanted.profile)
