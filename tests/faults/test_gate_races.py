"""People who decide at the same moment: each decision counts once, and the pointer moves once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import pytest
from tests.conftest import People
from tests.unit.gate.candidates import add_version, make_tables, open_for, person

from tidemill.access import Role
from tidemill.base.errors import Conflict, Forbidden, TidemillError
from tidemill.base.site import Site
from tidemill.gate import ReviewState, approve, get_review, reject, rollback, verify_audit, verify_live
from tidemill.registry.pointer import pointer_moves


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Do all at the same moment; for each `done`, or the code of its error."""
    barrier = threading.Barrier(len(acts))
    outcomes = [""] * len(acts)

    def do(number: int, act: Callable[[], object]) -> None:
        barrier.wait(10)
        try:
            act()
            outcomes[number] = "done"
        except TidemillError as problem:
            outcomes[number] = problem.code

    threads = [threading.Thread(target=do, args=(number, act)) for number, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(outcomes)
    return sorted(outcomes)


def test_one_of_two_approvals_at_a_time_moves_the_pointer(site: Site, people: People) -> None:
    make_tables(site)
    version = add_version(site, people.author)
    review = open_for(site, people.author, version)
    approvers = [person(people.owner, name, Role.APPROVER) for name in ("ada", "bob", "cyd")]
    outcomes = at_once(*(lambda who=who: approve(site, who, review.id, version.package_digest) for who in approvers))
    assert outcomes == ["conflict", "conflict", "done"]
    assert len(pointer_moves(site, people.viewer, environment="production", service="fuel")) == 1
    verify_audit(site, people.viewer)


def test_one_person_twice_at_a_time_is_one_approval(site: Site, people: People) -> None:
    make_tables(site)
    version = add_version(site, people.author)
    review = open_for(site, people.author, version, approvals=2)
    act = lambda: approve(site, people.approver, review.id, version.package_digest)  # noqa: E731  # said thrice
    assert at_once(act, act, act) == ["conflict", "conflict", "done"]
    assert get_review(site, people.viewer, review.id).state is ReviewState.OPEN


def test_an_approval_and_a_rejection_at_a_time_are_one_decision(site: Site, people: People) -> None:
    make_tables(site)
    bob = person(people.owner, "bob", Role.APPROVER)
    for _ in range(5):
        version = add_version(site, people.author)
        review = open_for(site, people.author, version)
        outcomes = at_once(
            lambda: approve(site, people.approver, review.id, version.package_digest),  # noqa: B023  # done in this turn
            lambda: reject(site, bob, review.id, "no"),  # noqa: B023  # done in this turn
        )
        assert outcomes == ["conflict", "done"]
        decided = get_review(site, people.viewer, review.id).state
        proven = verify_live(site, people.owner.namespace_id, environment="production", service="fuel")
        is_live = proven is not None and proven.model_version_id == version.id
        assert is_live == (decided is ReviewState.APPROVED)


def test_rollbacks_at_a_time_go_back_once_each_and_the_pointer_stays_proven(site: Site, people: People) -> None:
    make_tables(site)
    for _ in range(3):
        version = add_version(site, people.author)
        approve(site, people.approver, open_for(site, people.author, version).id, version.package_digest)
    back = lambda: rollback(site, people.owner, environment="production", service="fuel")  # noqa: E731  # said four times
    assert at_once(back, back, back, back) == ["conflict", "conflict", "done", "done"]
    proven = verify_live(site, people.owner.namespace_id, environment="production", service="fuel")
    assert proven is not None
    assert proven.version_label == "fuel@1"


def test_the_decision_itself_refuses_an_author_that_slipped_through(
    site: Site, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tables(site)
    version = add_version(site, people.author)
    review = open_for(site, people.author, version)
    monkeypatch.setattr(sys.modules["tidemill.gate.approve"], "is_author", lambda *_: False)
    with pytest.raises(Forbidden, match="own work"):
        approve(site, person(people.owner, "alan", Role.APPROVER), review.id, version.package_digest)
    assert verify_live(site, people.owner.namespace_id, environment="production", service="fuel") is None


def test_nothing_is_half_done_when_the_move_fails(site: Site, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tables(site)
    version = add_version(site, people.author)
    review = open_for(site, people.author, version)

    def broken(*_: object) -> None:
        raise Conflict("the disk is on fire")

    with monkeypatch.context() as patched:
        patched.setattr("tidemill.gate.decide.move_pointer", broken)
        with pytest.raises(Conflict, match="on fire"):
            approve(site, people.approver, review.id, version.package_digest)
    after = get_review(site, people.viewer, review.id)
    assert (after.state, after.approvals) == (ReviewState.OPEN, ())
    approve(site, people.approver, review.id, version.package_digest)
    assert verify_audit(site, people.viewer) > 0
