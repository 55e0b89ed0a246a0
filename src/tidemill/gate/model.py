"""The nouns of the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.base.canonical import canonical_json, digest_json
from tidemill.base.errors import Conflict, Forbidden
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


class Subject(StrEnum):
    """What a review is about."""

    MODEL = "model"  # a model version that asks to go live; people approve the pipeline version of its run with it
    PIPELINE = "pipeline"  # a pipeline version alone


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineVersion:
    """What decides the code of a run: the spec, the locks of its steps, the parameters that are not data.

    `run_id` is the run that all of it was taken from, `author` who submitted that. `locks` are lock digests by a step's
    path (`loop/train` for each pass of a loop), `data` the paths of the data files that it reads, whose versions may
    change.
    """

    project: str
    spec_digest: str
    run_id: str
    author: str
    locks: Mapping[str, str]
    parameters: Mapping[str, Any]
    data: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The pipeline version as it is stored and digested."""
        return {
            "schema_version": 1,
            "project": self.project,
            "spec_digest": self.spec_digest,
            "run_id": self.run_id,
            "author": self.author,
            "locks": dict(self.locks),
            "parameters": dict(self.parameters),
            "data": list(self.data),
        }

    @property
    def digest(self) -> str:
        """The digest of the stored form."""
        return digest_json(self.to_json())

    def departures(self, other: PipelineVersion) -> list[str]:
        """In words, why `other` is not this pipeline version; empty when it is.

        A step that `other` did not run (a condition was false) is no departure, one that only `other` ran is.
        """
        found = []
        if other.project != self.project:
            found.append(f"it is of the project {other.project}")
        if other.spec_digest != self.spec_digest:
            found.append("its spec is another one")
        steps = sorted(path for path, lock in other.locks.items() if self.locks.get(path) != lock)
        if steps:
            found.append(f"another lock at {', '.join(steps)}")
        names = sorted(
            name
            for name in {*self.parameters, *other.parameters}
            if _value_at(self.parameters, name) != _value_at(other.parameters, name)
        )
        if names:
            found.append(f"other values of {', '.join(names)}")
        if set(other.data) != set(self.data):
            found.append("it reads other data files")
        return found


def _value_at(values: Mapping[str, Any], name: str) -> str | None:
    """A value as its canonical JSON, so that 1, 1.0 and true are three; None where there is none."""
    return canonical_json(values[name]).decode() if name in values else None


def read_pipeline_version(stored: Any) -> PipelineVersion | None:
    """The pipeline version in a JSON column; `Forbidden` when it is none that the gate wrote."""
    if stored is None:
        return None
    fields = ("project", "spec_digest", "run_id", "author", "locks", "parameters", "data")
    if not isinstance(stored, dict) or set(stored) != {"schema_version", *fields} or stored["schema_version"] != 1:
        raise Forbidden("the stored pipeline version is none", remedy="restore the database from a backup")
    return PipelineVersion(**{**{name: stored[name] for name in fields}, "data": tuple(stored["data"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedPipeline:
    """The pipeline version that people approved last for a project and an environment, proven from the signatures.

    `run_id` is the run that it was taken from, `parameters` those that a run of it has beside its data. `approved_by`
    is empty only where the policy of an ungated environment asks for nobody.
    """

    project: str
    environment: str
    spec_digest: str
    run_id: str
    parameters: Mapping[str, Any]
    review_id: str
    approved_by: tuple[str, ...]
    approved_at: datetime
    version: PipelineVersion
    service: str
    policy_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """What the site itself said of a review under a policy that is automatic: passed, or why people decide.

    `pipeline_review_id` is the review in which people approved the pipeline version and the policy, `approved_by` who.
    """

    passed: bool
    reasons: tuple[str, ...] = ()
    pipeline_review_id: str | None = None
    approved_by: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it is stored and signed."""
        return {
            "schema_version": 1,
            "passed": self.passed,
            "reasons": list(self.reasons),
            "pipeline_review_id": self.pipeline_review_id,
            "approved_by": list(self.approved_by),
        }


def read_automatic(stored: Any) -> Automatic | None:
    """What stands in a JSON column; `Forbidden` when it is none that the gate wrote."""
    if stored is None:
        return None
    fields = {"schema_version", "passed", "reasons", "pipeline_review_id", "approved_by"}
    if not isinstance(stored, dict) or set(stored) != fields or stored["schema_version"] != 1:
        raise Forbidden("the stored decision of the site is none", remedy="restore the database from a backup")
    return Automatic(
        passed=stored["passed"] is True,
        reasons=tuple(stored["reasons"]),
        pipeline_review_id=stored["pipeline_review_id"],
        approved_by=tuple(stored["approved_by"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check found: a sentence for people and the evidence as JSON."""

    state: CheckState
    summary: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCheck:
    """A check of a review with its result; `summary` and `evidence` are empty while it is pending.

    `seal` is the site's, over the result.
    """

    name: str
    state: CheckState
    summary: str
    evidence: dict[str, Any]
    finished_at: datetime | None
    seal: str | None = None


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
class PipelineReviewRequest:
    """A pipeline version, as a run of a project had it, that asks to be the approved one of an environment."""

    run_id: str
    environment: str
    service: str
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The request to let a model version, or a pipeline version alone, pass the gate, with its checks and approvals.

    `package_digest` is the digest that is approved: of the package, or of the pipeline version. `pipeline` is the
    pipeline version that is approved with it, None for a run of no project. `policy_source` says what made the policy
    binding, "" for one that came with the request. `automatic` is what the site said where the policy lets it decide,
    None until then.
    """

    id: str
    namespace_id: str
    subject: Subject
    model_version_id: str | None
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
    pipeline: PipelineVersion | None = None
    policy_source: str = ""
    automatic: Automatic | None = None

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
    """The proof that a version may be live for a service: what `verify_approval` found and recomputed.

    `approvers` approved the version, or, where `pipeline_review_id` is not None, the pipeline version and the policy by
    which it passed without a person.
    """

    model_version_id: str
    version_label: str
    package_digest: str
    lock_digest: str
    environment: str
    service: str
    review_id: str
    approvers: tuple[str, ...]
    approved_at: datetime
    pipeline_review_id: str | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that was decided or refused: a kind such as `review.approved`, whom it is about, and the facts."""

    kind: str
    subject_id: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How an open review ends: its final state, by whom and when, why, and the signed decision of an approval.

    `automatic` is what the site said, where it was the site that approved.
    """

    state: ReviewState
    by: str
    at: datetime
    reason: str | None = None
    decision: dict[str, Any] | None = None
    automatic: Automatic | None = None


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
