"""The verb say_that_it_waits: an open review whose checks passed and whose people have not decided is told of, once."""

from __future__ import annotations

from tidemill.base.events import append_event, events_of
from tidemill.base.site import Site
from tidemill.gate.find import review_in
from tidemill.gate.model import CheckState, Review, ReviewState

KIND = "review.waiting"


def say_that_it_waits(site: Site, namespace_id: str, review_id: str) -> None:
    """Write the event `review.waiting` when people are needed and nothing else is; not again for the same review."""
    with site.database.read() as connection:
        if not _waits(review_in(connection, namespace_id, review_id)):
            return
    with site.database.write() as connection:
        review = review_in(connection, namespace_id, review_id, lock=True)
        known = events_of(connection, namespace_id=namespace_id, subject_id=review_id)
        if not _waits(review) or any(each.kind == KIND for each in known):
            return
        append_event(
            connection,
            site.clock,
            namespace_id=namespace_id,
            kind=KIND,
            subject_id=review_id,
            data={
                "candidate": review.version_label
                or f"pipeline {review.pipeline.digest[:19] if review.pipeline else ''}",
                "project": None if review.pipeline is None else review.pipeline.project,
                "environment": review.environment,
                "service": review.service,
                "opened_by": review.opened_by,
                "approvals": f"{len(review.approvals)} of {review.policy.approvals}",
            },
            created_by=review.opened_by,
        )


def _waits(review: Review) -> bool:
    is_done = review.state is ReviewState.OPEN and review.checks_state is CheckState.PASSED
    return is_done and len(review.approvals) < review.policy.approvals
