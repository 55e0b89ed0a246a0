"""Approving, rejecting, rolling back: who may, when, and what is live afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.conftest import People
from tests.unit.gate.candidates import FAILING, PASSING, add_version, make_tables, open_for, person

from tidemill.access import Role
from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound, TidemillError
from tidemill.base.events import events_of
from tidemill.base.site import Site
from tidemill.gate import (
    CheckState,
    Policy,
    ReviewRequest,
    ReviewState,
    approve,
    get_review,
    list_reviews,
    open_review,
    reject,
    rollback,
    run_checks,
    trace_decision,
    verify_audit,
    verify_live,
    withdraw,
)
from tidemill.gate.audit import read_audit
from tidemill.registry import MoveKind, live_pointer, version_in
from tidemill.registry.pointer import pointer_moves
from tidemill.registry.retire import retire_version


@pytest.fixture(autouse=True)
def tables(site: Site) -> None:
    """The tables of registry and gate."""
    make_tables(site)


def kinds(site: Site, people: People, subject_id: str) -> list[str]:
    """The kinds of the events of a subject."""
    with site.database.read() as connection:
        found = events_of(connection, namespace_id=people.owner.namespace_id, subject_id=subject_id)
    return [event.kind for event in found]


def live(site: Site, people: People) -> str | None:
    """The label of the version that is live as `fuel` in production."""
    pointer = live_pointer(site, people.viewer, environment="production", service="fuel")
    return None if pointer is None else version_in(site, people.owner.namespace_id, pointer.model_version_id).label


def promote(site: Site, people: People) -> str:
    """One more version, opened by its author and approved; its label."""
    version = add_version(site, people.author)
    approve(site, people.approver, open_for(site, people.author, version).id, version.package_digest)
    return version.label


def test_an_approval_makes_the_version_live_in_one_transaction(site: Site, people: People) -> None:
    version = add_version(site, people.author)
    review = open_for(site, people.author, version)
    assert (review.state, review.checks_state, live(site, people)) == (ReviewState.OPEN, CheckState.PASSED, None)
    done = approve(site, people.approver, review.id, version.package_digest)
    assert (done.state, done.closed_by) == (ReviewState.APPROVED, "ada")
    assert live(site, people) == "fuel@1"
    assert kinds(site, people, review.id)[-2:] == ["review.approval_given", "review.approved"]
    assert kinds(site, people, version.id) == ["pointer.moved"]
    proven = verify_live(site, people.owner.namespace_id, environment="production", service="fuel")
    assert proven is not None
    assert (proven.version_label, proven.approvers, proven.review_id) == ("fuel@1", ("ada",), review.id)


@pytest.mark.parametrize("who", ["author", "owner", "viewer"])
def test_somebody_without_the_approver_role_is_refused_and_it_is_recorded(site: Site, people: People, who: str) -> None:
    version = add_version(site, people.author)
    review = open_for(site, people.author, version)
    with pytest.raises(Forbidden):
        approve(site, getattr(people, who), review.id, version.package_digest)
    assert live(site, people) is None
    assert kinds(site, people, review.id)[-1] == "approval.refused"
    assert read_audit(site, people.viewer)[-1].kind == "approval.refused"


@pytest.mark.parametrize("name", ["alan", "ALAN", " alan ", "ａlan"])
def test_the_author_is_refused_also_with_the_approver_role_and_in_another_spelling(
    site: Site, people: People, name: str
) -> None:
    version = add_version(site, people.author)
    review = open_for(site, people.owner, version)
    with pytest.raises(Forbidden, match=r"made fuel@1"):
        approve(site, person(people.owner, name, Role.APPROVER), review.id, version.package_digest)
    assert live(site, people) is None


def test_the_author_of_the_run_is_refused(site: Site, people: People) -> None:
    version = add_version(site, people.author, run_author="ada")
    review = open_for(site, people.author, version)
    with pytest.raises(Forbidden, match="may not approve it"):
        approve(site, people.approver, review.id, version.package_digest)


def test_another_digest_is_refused(site: Site, people: People) -> None:
    version, other = add_version(site, people.author), add_version(site, people.author)
    review = open_for(site, people.author, version)
    with pytest.raises(Conflict, match="is about the package"):
        approve(site, people.approver, review.id, other.package_digest)
    assert live(site, people) is None


def test_a_second_approval_by_one_person_does_not_count(site: Site, people: People) -> None:
    version = add_version(site, people.author)
    review = open_for(site, people.author, version, approvals=2)
    approve(site, people.approver, review.id, version.package_digest)
    with pytest.raises(Conflict, match="already"):
        approve(site, people.approver, review.id, version.package_digest)
    with pytest.raises(Conflict, match="already"):
        approve(site, person(people.owner, "ADA", Role.APPROVER), review.id, version.package_digest)
    assert live(site, people) is None
    approve(site, person(people.owner, "bob", Role.APPROVER), review.id, version.package_digest)
    assert live(site, people) == "fuel@1"


def test_a_failed_check_stands_in_the_way(site: Site, people: People) -> None:
    version = add_version(site, people.author)
    review = open_for(site, people.author, version, checks=FAILING)
    assert review.checks_state is CheckState.FAILED
    with pytest.raises(Conflict, match="a check failed: smoke"):
        approve(site, people.approver, review.id, version.package_digest)
    assert live(site, people) is None


@pytest.mark.parametrize("end", ["approve", "reject", "withdraw"])
def test_a_review_that_is_not_open_is_not_approved(site: Site, people: People, end: str) -> None:
    version = add_version(site, people.author)
    review = open_for(site, people.author, version)
    if end == "approve":
        approve(site, people.approver, review.id, version.package_digest)
    elif end == "reject":
        assert reject(site, people.approver, review.id, "too slow").reason == "too slow"
    else:
        withdraw(site, people.author, review.id)
    bob = person(people.owner, "bob", Role.APPROVER)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: approve(site, bob, review.id, version.package_digest),
        lambda: reject(site, bob, review.id, "no"),
        lambda: withdraw(site, people.author, review.id),
    )
    for attempt in attempts:
        with pytest.raises(Conflict):
            attempt()


def test_an_open_review_is_superseded_by_the_next_of_its_service(site: Site, people: People) -> None:
    first = open_for(site, people.author, add_version(site, people.author))
    second = open_for(site, people.author, add_version(site, people.author))
    old = get_review(site, people.viewer, first.id)
    assert (old.state, second.state) == (ReviewState.SUPERSEDED, ReviewState.OPEN)
    assert second.id in (old.reason or "")
    with pytest.raises(Conflict, match="superseded"):
        approve(site, people.approver, first.id, first.package_digest)
    assert [review.id for review in list_reviews(site, people.viewer, states=(ReviewState.OPEN,))] == [second.id]


def test_rejecting_needs_the_approver_role_and_a_reason(site: Site, people: People) -> None:
    review = open_for(site, people.author, add_version(site, people.author))
    with pytest.raises(Forbidden):
        reject(site, people.owner, review.id, "no")
    with pytest.raises(InvalidInput):
        reject(site, people.approver, review.id, "  ")
    assert get_review(site, people.viewer, review.id).state is ReviewState.OPEN


def test_only_the_opener_and_owners_withdraw(site: Site, people: People) -> None:
    review = open_for(site, people.author, add_version(site, people.author))
    with pytest.raises(Forbidden, match="alan opened"):
        withdraw(site, person(people.owner, "carl", Role.CONTRIBUTOR), review.id)
    assert withdraw(site, people.owner, review.id).state is ReviewState.WITHDRAWN


def test_a_gated_environment_wants_an_approval_and_development_may_do_without(site: Site, people: People) -> None:
    version = add_version(site, people.author)
    with pytest.raises(InvalidInput, match="at least one approval"):
        open_for(site, people.author, version, approvals=0)
    passed = open_for(site, people.author, version, approvals=0, environment="development")
    assert passed.state is ReviewState.APPROVED
    failed = open_for(
        site, people.author, add_version(site, people.author), approvals=0, environment="development", checks=FAILING
    )
    assert failed.state is ReviewState.OPEN


def test_a_rollback_goes_back_step_by_step(site: Site, people: People) -> None:
    assert [promote(site, people) for _ in range(3)] == ["fuel@1", "fuel@2", "fuel@3"]
    for expected in ("fuel@2", "fuel@1"):
        rollback(site, people.approver, environment="production", service="fuel")
        assert live(site, people) == expected
    with pytest.raises(Conflict, match="no version before"):
        rollback(site, people.approver, environment="production", service="fuel")
    rollback(site, people.owner, environment="production", service="fuel", to="fuel@3")
    assert live(site, people) == "fuel@3"
    moves = pointer_moves(site, people.viewer, environment="production", service="fuel")
    assert [move.kind for move in moves] == [MoveKind.PROMOTED] * 3 + [MoveKind.ROLLED_BACK] * 3
    assert [move.generation for move in moves] == [1, 2, 3, 4, 5, 6]
    assert verify_live(site, people.owner.namespace_id, environment="production", service="fuel") is not None


def test_a_rollback_reaches_approved_versions_only(site: Site, people: People) -> None:
    promote(site, people)
    unapproved = add_version(site, people.author)
    open_for(site, people.author, unapproved)
    with pytest.raises(Forbidden, match="no approved review"):
        rollback(site, people.owner, environment="production", service="fuel", to=unapproved.label)
    staged = add_version(site, people.author)
    review = open_for(site, people.author, staged, environment="staging")
    approve(site, people.approver, review.id, staged.package_digest)
    with pytest.raises(Forbidden, match="no approved review"):
        rollback(site, people.owner, environment="production", service="fuel", to=staged.label)
    assert live(site, people) == "fuel@1"
    assert read_audit(site, people.viewer, limit=1000)[-1].kind == "rollback.refused"


def test_a_rollback_needs_somebody_who_operates_and_something_live(site: Site, people: People) -> None:
    with pytest.raises(NotFound, match="nothing is live"):
        rollback(site, people.owner, environment="production", service="fuel")
    promote(site, people)
    promote(site, people)
    with pytest.raises(Forbidden):
        rollback(site, people.viewer, environment="production", service="fuel")
    assert live(site, people) == "fuel@2"


def test_a_retired_version_is_neither_reviewed_nor_rolled_back_to(site: Site, people: People) -> None:
    promote(site, people)
    with pytest.raises(Conflict, match="is live"):
        retire_version(site, people.owner, "fuel@1")
    promote(site, people)
    retire_version(site, people.owner, "fuel@1")
    with pytest.raises(Conflict, match="retired"):
        rollback(site, people.owner, environment="production", service="fuel")
    with pytest.raises(Conflict, match="retired"):
        open_for(site, people.author, version_in(site, people.owner.namespace_id, "fuel@1"))
    assert live(site, people) == "fuel@2"


def test_what_is_live_already_needs_no_review(site: Site, people: People) -> None:
    promote(site, people)
    with pytest.raises(Conflict, match="live already"):
        open_for(site, people.author, version_in(site, people.owner.namespace_id, "fuel@1"))


@pytest.mark.parametrize("name", ["", "Fuel", "../etc", "a" * 64, "fuel_x"])
def test_a_service_has_a_plain_name(site: Site, people: People, name: str) -> None:
    version = add_version(site, people.author)
    request = ReviewRequest(model_version_id=version.id, environment="production", service=name, policy=Policy())
    with pytest.raises(InvalidInput):
        open_review(site, people.author, request, checks=PASSING)


def test_a_viewer_does_not_open_reviews(site: Site, people: People) -> None:
    with pytest.raises(Forbidden):
        open_for(site, people.viewer, add_version(site, people.author))


def test_nothing_of_another_namespace_is_found(site: Site, people: People) -> None:
    version = add_version(site, people.author)
    review = open_for(site, people.author, version)
    stranger = person(people.owner, "ada", Role.APPROVER)
    stranger = type(stranger)(person="eve", namespace_id=site.ids.new(), roles=frozenset(Role))
    attempts: tuple[Callable[[], object], ...] = (
        lambda: approve(site, stranger, review.id, version.package_digest),
        lambda: reject(site, stranger, review.id, "no"),
        lambda: withdraw(site, stranger, review.id),
        lambda: get_review(site, stranger, review.id),
        lambda: rollback(site, stranger, environment="production", service="fuel"),
        lambda: open_for(site, stranger, version),
    )
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()


def test_the_decision_can_be_traced(site: Site, people: People) -> None:
    label = promote(site, people)
    found = trace_decision(site, people.viewer, label)
    assert found["code_commit"] == "c0ffee"
    assert found["data_versions"] == {"cars.csv": "md5:1"}
    assert found["run"]["author"] == "alan"
    assert [entry["approver"] for entry in found["reviews"][0]["approvals"]] == ["ada"]


def test_a_check_cut_off_by_a_crash_runs_again_and_a_finished_one_does_not(site: Site, people: People) -> None:
    version = add_version(site, people.author)

    class Cut:
        name = "smoke"

        def run(self, context: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_for(site, people.author, version, checks={**PASSING, "smoke": Cut()})  # type: ignore[dict-item]  # a crash
    review = list_reviews(site, people.viewer)[0]
    assert review.checks_state is CheckState.PENDING
    with pytest.raises(Conflict, match="not every check"):
        approve(site, people.approver, review.id, version.package_digest)
    run_checks(site, people.owner.namespace_id, review.id, checks=PASSING)
    run_checks(site, people.owner.namespace_id, review.id, checks=FAILING)
    assert get_review(site, people.viewer, review.id).checks_state is CheckState.PASSED


def test_every_decision_and_refusal_stands_in_a_chain_that_holds(site: Site, people: People) -> None:
    promote(site, people)
    promote(site, people)
    rollback(site, people.owner, environment="production", service="fuel")
    with pytest.raises(TidemillError):
        rollback(site, people.viewer, environment="production", service="fuel")
    entries = read_audit(site, people.viewer)
    assert verify_audit(site, people.viewer) == len(entries) == 10
    assert [entry.kind for entry in entries][-2:] == ["pointer.moved", "rollback.refused"]
