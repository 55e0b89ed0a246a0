"""Proving an approval again from the rows and the signatures, before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tidemill.base.canonical import digest_json
from tidemill.base.errors import Forbidden, NotFound, TidemillError
from tidemill.base.signing import PublicKey, is_key_made, public_key, verified_statement
from tidemill.base.site import Site
from tidemill.gate import rows
from tidemill.gate.audit import signed_generation
from tidemill.gate.check_seal import prove_checks
from tidemill.gate.checks import required_checks
from tidemill.gate.model import Approval, ApprovedPipeline, ApprovedVersion, CheckState, Review, ReviewState, Subject
from tidemill.gate.people import is_author, person_key
from tidemill.gate.statements import approval_statement, checks_digest, decision_statement, move_statement
from tidemill.registry import ModelVersion, MoveKind, version_in
from tidemill.registry.find import read_version
from tidemill.registry.pointer import live_pointer_in


def verify_approval(
    site: Site, namespace_id: str, version_id: str, *, environment: str, service: str
) -> ApprovedVersion:
    """Recompute from rows and signatures that a version passed a review for this service of this environment.

    Raises `Forbidden` that says what does not hold: no approved review, a changed row, too few approvals, an approval
    by an author, a signature of another key. The bytes of the package are proven by its digest when it is
    materialized.
    """
    key = public_key(site.home)
    version = version_in(site, namespace_id, version_id)
    with site.database.read() as connection:
        return approved_in(connection, key, version, environment=environment, service=service)


def verify_live(site: Site, namespace_id: str, *, environment: str, service: str) -> ApprovedVersion | None:
    """Prove that what the live pointer names is approved, and that the gate itself moved the pointer there last.

    None while nothing is live; `Forbidden` as `verify_approval`, also when the pointer's row was changed.
    """
    with site.database.read() as connection:
        if (
            not is_key_made(site.home)
            and (
                live_pointer_in(connection, namespace_id, environment, service)
                or rows.last_signed_move(connection, namespace_id, environment, service)
            )
            is None
        ):
            return None
        return live_in(connection, public_key(site.home), namespace_id, environment, service)


def live_in(
    connection: Connection, key: PublicKey, namespace_id: str, environment: str, service: str
) -> ApprovedVersion | None:
    """`verify_live` in the caller's transaction."""
    pointer = live_pointer_in(connection, namespace_id, environment, service)
    signed = rows.last_signed_move(connection, namespace_id, environment, service)
    generation = signed_generation(connection, key, namespace_id, environment, service)
    place = f"live pointer of {service} in {environment}"
    if pointer is None and signed is None and generation is None:
        return None
    if pointer is None or signed is None or not signed[0] == pointer.generation == generation:
        raise Forbidden("the pointer and its last signed move differ", place=place, remedy=_RESTORE)
    version = read_version(connection, namespace_id, pointer.model_version_id)
    found = approved_in(connection, key, version, environment=environment, service=service)
    moved = verified_statement(key, signed[1], place=place)
    expected = [
        move_statement(
            pointer.model_version_id,
            found.package_digest,
            where=(namespace_id, environment, service),
            generation=pointer.generation,
            kind=kind,
            review_id=pointer.review_id,
        )
        for kind in MoveKind
    ]
    if moved not in expected:
        raise Forbidden("the pointer is not where the gate moved it", place=place, remedy=_RESTORE)
    return found


def tampering_of(
    connection: Connection, key: PublicKey, namespace_id: str, environment: str, service: str
) -> TidemillError | None:
    """Why the live pointer does not prove, None when it does."""
    try:
        live_in(connection, key, namespace_id, environment, service)
    except (Forbidden, NotFound) as problem:
        return problem
    return None


def last_generation(connection: Connection, key: PublicKey, namespace_id: str, environment: str, service: str) -> int:
    """The last generation that the gate signed for a pointer, in a move or in the head of the audit chain."""
    signed = rows.last_signed_move(connection, namespace_id, environment, service)
    told = signed_generation(connection, key, namespace_id, environment, service)
    return max(0 if signed is None else signed[0], told or 0)


def approved_in(
    connection: Connection, key: PublicKey, version: ModelVersion, *, environment: str, service: str
) -> ApprovedVersion:
    """`verify_approval` in the caller's transaction: the newest approved review that holds."""
    wanted = rows.ReviewFilter(
        states=(ReviewState.APPROVED,), environment=environment, service=service, model_version_id=version.id
    )
    problem: Forbidden | None = None
    for review in rows.reviews_of(connection, version.namespace_id, wanted):
        try:
            decision = rows.decision_of(connection, version.namespace_id, review.id)
            return _proven(connection, key, review, version, decision)
        except Forbidden as found:
            problem = problem or found
    raise problem or Forbidden(
        f"{version.label} has no approved review for {service} in {environment}",
        remedy=f"tidemill review open {version.run_id}",
    )


def prove_review(key: PublicKey, review: Review, version: ModelVersion | None) -> list[str]:
    """The approvers, when every row of the review is as it was when each approval was signed; `Forbidden` else.

    Too few of them are let pass where the site says that it passed by itself: whether it may say so is for
    `prove_decision`.
    """
    place = f"review {review.id}"
    _prove_subject(review, version)
    for check in review.checks:
        if check.state is not CheckState.PASSED:
            raise Forbidden(f"the check {check.name} is {check.state}", place=place)
    for approval in review.approvals:
        _prove_approval(key, review, version, approval)
    prove_checks(key, review)
    approvers = [approval.approver for approval in review.approvals]
    is_automatic = review.automatic is not None and review.automatic.passed and review.policy.automatic
    if not is_automatic and len({person_key(person) for person in approvers}) < review.policy.approvals:
        raise Forbidden(f"{review.policy.approvals} people must approve, {len(approvers)} did", place=place)
    return approvers


def prove_rows(
    connection: Connection, key: PublicKey, review: Review, version: ModelVersion | None, decision: object
) -> None:
    """Prove what the rows of a review say, in whatever state it is: its approvals, its decision, what its checks found.

    Raises `Forbidden` that says what does not hold.
    """
    if review.state is ReviewState.APPROVED:
        prove_decision(connection, key, review, version, decision)
        return
    if decision is not None:
        raise Forbidden(f"it is {review.state} and has a decision", place=f"review {review.id}", remedy=_RESTORE)
    _prove_subject(review, version)
    for approval in review.approvals:
        _prove_approval(key, review, version, approval)
    prove_checks(key, review)


def _prove_subject(review: Review, version: ModelVersion | None) -> None:
    place = f"review {review.id}"
    if not _is_subject(review, version):
        raise Forbidden("the review is about another package", place=place, remedy=_RESTORE)
    if digest_json(review.policy.to_json()) != review.policy_digest:
        raise Forbidden("the policy was changed after the review was opened", place=place, remedy=_RESTORE)
    if tuple(check.name for check in review.checks) != required_checks(review.policy, review.subject):
        raise Forbidden("the checks are not those of the policy", place=place, remedy=_RESTORE)


def _is_subject(review: Review, version: ModelVersion | None) -> bool:
    pipeline = review.pipeline
    if version is None:
        about_pipeline = review.subject is Subject.PIPELINE and review.model_version_id is None
        return about_pipeline and pipeline is not None and review.package_digest == pipeline.digest
    named = (review.subject, review.model_version_id, review.package_digest)
    if named != (Subject.MODEL, version.id, version.package_digest):
        return False
    made_by = (version.spec_digest, version.run_id, version.run_author)
    return pipeline is None or (pipeline.spec_digest, pipeline.run_id, pipeline.author) == made_by


def _prove_approval(key: PublicKey, review: Review, version: ModelVersion | None, approval: Approval) -> None:
    where = f"review {review.id}, approval of {approval.approver}"
    signed = verified_statement(key, approval.envelope, place=where)
    if signed != approval_statement(review, version, approval.approver, approval.created_at):
        raise Forbidden("what was approved is not what stands here now", place=where, remedy=_RESTORE)
    if (approval.package_digest, approval.checks_digest, approval.policy_digest) != (
        review.package_digest,
        checks_digest(review.checks),
        review.policy_digest,
    ):
        raise Forbidden("the row of the approval was changed", place=where, remedy=_RESTORE)
    if is_author(approval.approver, review, version):
        raise Forbidden("an author approved the own work", place=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Who let a review pass, and when; `pipeline_review_id` as in `ApprovedVersion`."""

    approvers: tuple[str, ...]
    at: datetime
    pipeline_review_id: str | None = None


def prove_decision(
    connection: Connection, key: PublicKey, review: Review, version: ModelVersion | None, decision: object
) -> Decided:
    """Who let an approved review pass, and when; `Forbidden` unless all of it is what was signed."""
    place = f"review {review.id}, decision"
    approvers = prove_review(key, review, version)
    if review.closed_at is None:
        raise Forbidden("the review has no time of decision", place=place, remedy=_RESTORE)
    signed = verified_statement(key, decision, place=place)
    if signed != decision_statement(review, version, approvers, review.closed_at):
        raise Forbidden("what was decided is not what stands here now", place=place, remedy=_RESTORE)
    if review.automatic is None or not review.automatic.passed:
        return Decided(approvers=tuple(approvers), at=review.closed_at)
    pipeline = _pipeline_behind(connection, key, review)
    return Decided(approvers=pipeline.approved_by, at=review.closed_at, pipeline_review_id=pipeline.review_id)


def _pipeline_behind(connection: Connection, key: PublicKey, review: Review) -> ApprovedPipeline:
    """The pipeline version that people approved, and by which a review passed without one."""
    place = f"review {review.id}, decision"
    assert review.automatic is not None  # the caller asked
    if review.pipeline is None or review.automatic.pipeline_review_id is None:
        raise Forbidden("it passed without a person and names no pipeline version", place=place, remedy=_RESTORE)
    found = pipeline_approved_by(connection, key, review.namespace_id, review.automatic.pipeline_review_id)
    problems = departures(found, review)
    if problems:
        raise Forbidden(f"it passed without a person, but {'; '.join(problems)}", place=place, remedy=_RESTORE)
    return found


def departures(known: ApprovedPipeline, review: Review) -> list[str]:
    """In words, why a review of a model version is not covered by what people approved; empty when it is."""
    found = ["its run is of no project"] if review.pipeline is None else known.version.departures(review.pipeline)
    if known.environment != review.environment:
        found.append(f"the pipeline version was approved for {known.environment}")
    if known.service != review.service:
        found.append(f"the pipeline version was approved for the service {known.service}")
    if known.policy_digest != review.policy_digest:
        found.append("the policy is another one than people approved with the pipeline version")
    return found


def pipeline_approved_by(connection: Connection, key: PublicKey, namespace_id: str, review_id: str) -> ApprovedPipeline:
    """What a review approved, proven; `Forbidden` when that is no pipeline version, or not what was signed."""
    review = rows.review_by_id(connection, namespace_id, review_id)
    place = f"review {review_id}"
    if review is None or review.state is not ReviewState.APPROVED or review.pipeline is None:
        raise Forbidden("no pipeline version was approved there", place=place)
    decision = rows.decision_of(connection, namespace_id, review_id)
    decided = prove_decision(connection, key, review, reviewed_version(connection, review), decision)
    if decided.pipeline_review_id is not None:
        raise Forbidden("no person approved that", place=place)
    return ApprovedPipeline(
        project=review.pipeline.project,
        environment=review.environment,
        spec_digest=review.pipeline.spec_digest,
        run_id=review.pipeline.run_id,
        parameters=review.pipeline.parameters,
        review_id=review.id,
        approved_by=decided.approvers,
        approved_at=decided.at,
        version=review.pipeline,
        service=review.service,
        policy_digest=review.policy_digest,
    )


def reviewed_version(connection: Connection, review: Review) -> ModelVersion | None:
    """The model version that a review is about, None for a pipeline version alone."""
    if review.model_version_id is None:
        return None
    return read_version(connection, review.namespace_id, review.model_version_id)


def _proven(
    connection: Connection, key: PublicKey, review: Review, version: ModelVersion, decision: object
) -> ApprovedVersion:
    decided = prove_decision(connection, key, review, version, decision)
    return ApprovedVersion(
        model_version_id=version.id,
        version_label=version.label,
        package_digest=version.package_digest,
        lock_digest=version.lock_digest,
        environment=review.environment,
        service=review.service,
        review_id=review.id,
        approvers=decided.approvers,
        approved_at=decided.at,
        pipeline_review_id=decided.pipeline_review_id,
    )


_RESTORE = "somebody changed the database: restore it from a backup, or open a new review"
