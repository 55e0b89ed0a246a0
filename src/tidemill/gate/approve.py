"""The verb approve: one person's signed yes, and with the last one the version goes live."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, Forbidden
from tidemill.base.repeats import was_done
from tidemill.base.signing import SigningKey, sign, signing_key
from tidemill.base.site import Site
from tidemill.gate import store
from tidemill.gate.bound import binding_policy
from tidemill.gate.check_seal import prove_checks
from tidemill.gate.decide import decide_if_passed
from tidemill.gate.find import get_review, review_in
from tidemill.gate.model import Approval, CheckState, Happening, Review, ReviewState
from tidemill.gate.people import is_author, person_key
from tidemill.gate.record import record, record_refusal
from tidemill.gate.statements import approval_statement, checks_digest
from tidemill.gate.verify import reviewed_version
from tidemill.registry import ModelVersion, VersionState
from tidemill.registry.pointer import locked_pointer


def approve(site: Site, actor: Actor, review_id: str, package_digest: str) -> Review:
    """Approve an open review for the package, or the pipeline version, of this digest.

    With enough approvals it passes, and a model version goes live at once.

    Raises `Forbidden` for somebody without the right to approve and for the authors of the version and its run,
    `Conflict` when the review is not open, a check has not passed, the digest is another one, the person approved
    before or another policy was applied since, `NotFound`. Each refusal is recorded.
    """
    try:
        actor.demand(Permission.APPROVE)
        if was_done("review.approval_given", review_id):
            return get_review(site, actor, review_id)
        key = signing_key(site.home)
        with site.database.write() as connection:
            review = review_in(connection, actor.namespace_id, review_id, lock=True)
            # review, pointer, version: everybody who decides locks in this order
            locked_pointer(connection, actor.namespace_id, review.environment, review.service)
            version = reviewed_version(connection, review)
            _check_allowed(actor, review, version, package_digest)
            _check_policy_stands(connection, review)
            prove_checks(key.public, review)
            _keep(connection, site, key, actor, review, version)
            decide_if_passed(connection, site, key, actor, review_id)
    except (Forbidden, Conflict) as problem:
        record_refusal(site, actor, "approval.refused", review_id, problem)
        raise
    return get_review(site, actor, review_id)


def _check_allowed(actor: Actor, review: Review, version: ModelVersion | None, package_digest: str) -> None:
    if is_author(actor.person, review, version):
        raise Forbidden(
            f"{actor.person} made {review.version_label} and may not approve it", remedy="ask another person to approve"
        )
    if review.state is not ReviewState.OPEN:
        raise Conflict(f"this review is {review.state}", remedy="tidemill review open asks for a new decision")
    if review.checks_state is CheckState.PENDING:
        raise Conflict("not every check has run yet", remedy=f"tidemill review show {review.id}")
    if review.checks_state is CheckState.FAILED:
        failed = ", ".join(check.name for check in review.checks if check.state is CheckState.FAILED)
        raise Conflict(f"a check failed: {failed}", remedy=f"tidemill review show {review.id}")
    if version is not None and version.state is not VersionState.READY:
        raise Conflict(f"{version.label} is {version.state}")
    subject_digest = review.package_digest if version is None else version.package_digest
    if not package_digest == review.package_digest == subject_digest:
        raise Conflict(
            f"this review is about the package {review.package_digest}, not {package_digest[:80]}",
            remedy="look at the review again, and approve the digest that it shows",
        )
    if person_key(actor.person) in {person_key(approval.approver) for approval in review.approvals}:
        raise Conflict(f"{actor.person} has approved this review already")


def _check_policy_stands(connection: Connection, review: Review) -> None:
    bound = binding_policy(connection, review.namespace_id, review.environment, review.service)
    if bound is not None and bound.policy != review.policy:
        raise Conflict(
            f"another policy was applied since this review was opened: {bound.source}",
            remedy="tidemill review open asks again, under the policy that holds now",
        )


def _keep(
    connection: Connection, site: Site, key: SigningKey, actor: Actor, review: Review, version: ModelVersion | None
) -> None:
    now = site.clock.now()
    approval = Approval(
        id=site.ids.new(),
        review_id=review.id,
        approver=actor.person,
        package_digest=review.package_digest,
        checks_digest=checks_digest(review.checks),
        policy_digest=review.policy_digest,
        envelope=sign(key, approval_statement(review, version, actor.person, now)),
        created_at=now,
    )
    store.insert_approval(connection, actor.namespace_id, approval, person_key(actor.person))
    data = {"package_digest": review.package_digest, "checks_digest": approval.checks_digest}
    record(connection, site, key, actor, Happening("review.approval_given", review.id, data))
