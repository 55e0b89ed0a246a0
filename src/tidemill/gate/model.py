"""The nouns of the gate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.base.errors import Conflict
from tidemill.gate.policy import Policy


class ReviewState(StrEnum):
    """Where a review stands."""

    OPEN = "open"  # checks run, approvers decide
    APPROVED = "approved"  # it passed, and the live pointer was moved
    REJECTED = "rejected"  # an approver refused it, with a reason
    WITHDRAWN = "withdrawn"  # whoever asked for it took it back
    SUPERSEDED = "superseded"  # a newer review of the same service took its place


REVIEW_TRANSITIONS: dict[ReviewState, frozenset[ReviewState]] = {
    ReviewState.OPEN: frozenset(
        {ReviewState.APPROVED, ReviewState.REJECTED, ReviewState.WITHDRAWN, ReviewState.SUPERSEDED}
    ),
    ReviewState.APPROVED: frozenset(),
    ReviewState.REJECTED: frozenset(),
    ReviewState.WITHDRAWN: frozenset(),
    ReviewState.SUPERSEDED: frozenset(),
}


def check_review_transition(old: ReviewState, new: ReviewState) -> None:
    """Raise `Conflict` unless a review may go from `old` to `new`."""
    if new not in REVIEW_TRANSITIONS[old]:
        raise Conflict(
            f"this review is {old}, it cannot become {new}", remedy="tidemill review open asks for a new decision"
        )


class CheckState(StrEnum):
    """How a check of a review stands."""

    PENDING = "pending"  # not run yet, or cut off by a crash: it will run again
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check found: a sentence for people and the evidence as JSON."""

    state: CheckState
    summary: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCheck:
    """A check of a review with its result; `summary` and `evidence` are empty while it is pending."""

    name: str
    state: CheckState
    summary: str
    evidence: dict[str, Any]
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's signed yes; `envelope` is the DSSE envelope of the statement."""

    id: str
    review_id: str
    approver: str
    package_digest: str
    checks_digest: str
    policy_digest: str
    envelope: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """A model version that asks to be what a service of an environment answers with."""

    model_version_id: str
    environment: str
    service: str
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The request to let a model version pass the gate, with its checks and approvals.

    `policy_source` says what made the policy binding, "" for one that came with the request.
    """

    id: str
    namespace_id: str
    model_version_id: str
    version_label: str
    package_digest: str
    environment: str
    service: str
    state: ReviewState
    policy: Policy
    policy_digest: str
    checks: tuple[ReviewCheck, ...]
    approvals: tuple[Approval, ...]
    reason: str | None
    opened_by: str
    opened_at: datetime
    closed_by: str | None
    closed_at: datetime | None
    generation: int
    policy_source: str = ""

    @property
    def checks_state(self) -> CheckState:
        """Failed when one failed, pending when one has not run, else passed."""
        states = {check.state for check in self.checks}
        for state in (CheckState.FAILED, CheckState.PENDING):
            if state in states:
                return state
        return CheckState.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedVersion:
    """The proof that a version may be live for a service: what `verify_approval` found and recomputed."""

    model_version_id: str
    version_label: str
    package_digest: str
    lock_digest: str
    environment: str
    service: str
    review_id: str
    approvers: tuple[str, ...]
    approved_at: datetime


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that was decided or refused: a kind such as `review.approved`, whom it is about, and the facts."""

    kind: str
    subject_id: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How an open review ends: its final state, by whom and when, why, and the signed decision of an approval."""

    state: ReviewState
    by: str
    at: datetime
    reason: str | None = None
    decision: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit chain; `digest` covers the line and the digest before it."""

    number: int
    kind: str
    subject_id: str
    data: dict[str, Any]
    person: str
    at: datetime
    previous_digest: str
    digest: str
