"""Rows and files changed behind the gate's back: nothing that was changed counts as approved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.conftest import People
from tests.unit.gate.candidates import add_version, make_tables, open_for, person

from tidemill.access import Role
from tidemill.base.errors import Conflict, Forbidden, TidemillError
from tidemill.base.signing import KEY_FILE, PUBLIC_KEY_FILE, sign, signing_key
from tidemill.base.site import Site
from tidemill.gate import Review, approve, rollback, verify_approval, verify_audit, verify_live
from tidemill.gate.audit import read_audit
from tidemill.registry import ModelVersion

Approved = tuple[ModelVersion, Review]


@pytest.fixture
def approved(site: Site, people: People) -> Approved:
    """An approved version and its review, with two approvals."""
    make_tables(site)
    version = add_version(site, people.author)
    review = open_for(site, people.author, version, approvals=2)
    approve(site, people.approver, review.id, version.package_digest)
    done = approve(site, person(people.owner, "bob", Role.APPROVER), review.id, version.package_digest)
    assert is_approved(site, version)
    return version, done


def is_approved(site: Site, version: ModelVersion) -> bool:
    """Whether the version counts as approved for the service `fuel` in production."""
    try:
        verify_approval(site, version.namespace_id, version.id, environment="production", service="fuel")
    except Forbidden:
        return False
    return True


def sql(site: Site, statement: str, **values: Any) -> None:
    """Write to the database as somebody would who has got hold of it; it must change something."""
    with site.database.write() as connection:
        assert connection.execute(text(statement), values).rowcount > 0


OTHER = "sha256:" + "e" * 64
CHANGES = {
    "another package in the version": f"UPDATE model_version SET package_digest='{OTHER}'",
    "another package in version and review": f"UPDATE model_version SET package_digest='{OTHER}'; "
    f"UPDATE review SET package_digest='{OTHER}'",
    "another package everywhere": f"UPDATE model_version SET package_digest='{OTHER}'; "
    f"UPDATE review SET package_digest='{OTHER}'; UPDATE approval SET package_digest='{OTHER}'",
    "another lock": f"UPDATE model_version SET lock_digest='{OTHER}'",
    "another author": "UPDATE model_version SET author='mallory'",
    "another author of the run": "UPDATE model_version SET run_author='mallory'",
    "better metrics": """UPDATE model_version SET metrics='{"mae": 0.1}'""",
    "another number": "UPDATE model_version SET number=7",
    "fewer approvals asked for": "UPDATE review SET policy=replace(policy, '\"approvals\": 2', '\"approvals\": 1')",
    "another policy digest": f"UPDATE review SET policy_digest='{OTHER}'",
    "another service": "UPDATE review SET service='other'",
    "another environment": "UPDATE review SET environment='staging'",
    "a review that is open again": "UPDATE review SET state='open'",
    "a later decision": "UPDATE review SET closed_at='2031-01-01T00:00:00.000000Z'",
    "no decision": "UPDATE review SET decision=NULL",
    "other evidence": "UPDATE review_check SET evidence='{}'",
    "another summary of a check": "UPDATE review_check SET summary='fine'",
    "a failed check": "UPDATE review_check SET state='failed'",
    "no check": "DELETE FROM review_check",
    "no approvals": "DELETE FROM approval",
    "one approval less": "DELETE FROM approval WHERE approver='bob'",
    "another approver": "UPDATE approval SET approver='mallory' WHERE approver='bob'",
    "another time of approval": "UPDATE approval SET created_at='2031-01-01T00:00:00.000000Z'",
    "another digest in an approval": f"UPDATE approval SET checks_digest='{OTHER}'",
    "no envelope": "UPDATE approval SET envelope='{}'",
    "one approval twice": "UPDATE approval SET envelope=(SELECT envelope FROM approval WHERE approver='ada')",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_row_makes_the_version_unapproved(site: Site, approved: Approved, change: str) -> None:
    for statement in CHANGES[change].split("; "):
        sql(site, statement)
    assert not is_approved(site, approved[0])


def test_a_broken_signature_makes_the_version_unapproved(site: Site, approved: Approved) -> None:
    envelope = json.loads(json.dumps(approved[1].approvals[0].envelope))
    signature = envelope["signatures"][0]["sig"]
    envelope["signatures"][0]["sig"] = ("A" if signature[20] != "A" else "B").join((signature[:20], signature[21:]))
    sql(site, "UPDATE approval SET envelope=:e WHERE approver='ada'", e=json.dumps(envelope))
    assert not is_approved(site, approved[0])


def test_a_signature_by_another_key_is_none(site: Site, approved: Approved) -> None:
    for name in (KEY_FILE, PUBLIC_KEY_FILE):
        (site.home.keys / name).unlink()
    assert not is_approved(site, approved[0]), "a home without its key proves nothing"
    signing_key(site.home)
    assert not is_approved(site, approved[0])


def test_the_key_is_readable_by_its_owner_only_and_the_published_half_is_not_believed(
    site: Site, approved: Approved, tmp_path: Path
) -> None:
    assert (site.home.keys / KEY_FILE).stat().st_mode & 0o777 == 0o600
    other = type(site.home)(path=tmp_path / "other")
    other.keys.mkdir(parents=True)
    stranger = signing_key(other)
    (site.home.keys / PUBLIC_KEY_FILE).write_bytes(stranger.public.pem)
    payload = json.loads(json.dumps(approved[1].approvals[0].envelope))
    sql(site, "UPDATE approval SET envelope=:e", e=json.dumps({**payload, **sign(stranger, {"a": 1})}))
    assert not is_approved(site, approved[0])


def test_the_approval_of_one_version_does_not_count_for_another(site: Site, people: People, approved: Approved) -> None:
    other = add_version(site, people.author)
    sql(site, "UPDATE review SET model_version_id=:v, package_digest=:d", v=other.id, d=other.package_digest)
    sql(site, "UPDATE approval SET package_digest=:d", d=other.package_digest)
    assert not is_approved(site, other)


def test_a_review_copied_to_another_namespace_does_not_count(site: Site, approved: Approved) -> None:
    version = approved[0]
    for table in ("model_version", "review", "review_check", "approval"):
        sql(site, f"UPDATE {table} SET namespace_id='elsewhere'")
    with pytest.raises(Forbidden):
        verify_approval(site, "elsewhere", version.id, environment="production", service="fuel")


def live(site: Site, version: ModelVersion) -> str | None:
    """What is proven to be live, its label."""
    found = verify_live(site, version.namespace_id, environment="production", service="fuel")
    return None if found is None else found.version_label


def test_a_pointer_that_somebody_else_moved_is_refused(site: Site, people: People, approved: Approved) -> None:
    first = approved[0]
    second = add_version(site, people.author)
    approve(site, people.approver, open_for(site, people.author, second).id, second.package_digest)
    assert live(site, second) == "fuel@2"
    sql(site, "UPDATE live_pointer SET model_version_id=:v", v=first.id)
    with pytest.raises(Forbidden, match="gate moved"):
        live(site, first)
    sql(site, "UPDATE live_pointer SET review_id=:r, generation=1", r=approved[1].id)
    with pytest.raises(Forbidden, match="differ"):
        live(site, first)
    sql(site, "DELETE FROM live_pointer")
    with pytest.raises(Forbidden, match="differ"):
        live(site, first)


def test_a_pointer_set_back_together_with_the_rows_of_the_later_moves_is_refused(
    site: Site, people: People, approved: Approved
) -> None:
    second = add_version(site, people.author)
    approve(site, people.approver, open_for(site, people.author, second).id, second.package_digest)
    sql(
        site,
        "UPDATE live_pointer SET model_version_id=:v, review_id=:r, generation=1",
        v=approved[0].id,
        r=approved[1].id,
    )
    sql(site, "DELETE FROM signed_pointer_move WHERE move_generation=2")
    sql(site, "DELETE FROM live_pointer_move WHERE generation=2")
    with pytest.raises(Forbidden, match="differ"):
        live(site, second)
    sql(site, "DELETE FROM live_pointer")
    sql(site, "DELETE FROM signed_pointer_move")
    with pytest.raises(Forbidden, match="differ"):
        live(site, second)


def test_a_changed_head_of_the_chain_stops_every_further_decision(
    site: Site, people: People, approved: Approved
) -> None:
    second = add_version(site, people.author)
    review = open_for(site, people.author, second)
    sql(site, "UPDATE audit_head SET number=1")
    with pytest.raises(TidemillError, match="head"):
        approve(site, people.approver, review.id, second.package_digest)
    with pytest.raises(TidemillError, match="head"):
        live(site, second)


def test_a_pointer_on_an_unapproved_version_is_refused(site: Site, people: People, approved: Approved) -> None:
    unapproved = add_version(site, people.author)
    sql(site, "UPDATE live_pointer SET model_version_id=:v", v=unapproved.id)
    with pytest.raises(Forbidden, match="no approved review"):
        live(site, unapproved)


def test_a_rollback_to_a_version_whose_approval_was_changed_is_refused(
    site: Site, people: People, approved: Approved
) -> None:
    second = add_version(site, people.author)
    approve(site, people.approver, open_for(site, people.author, second).id, second.package_digest)
    sql(site, "UPDATE approval SET approver='mallory' WHERE review_id=:r", r=approved[1].id)
    with pytest.raises(Forbidden):
        rollback(site, people.owner, environment="production", service="fuel")
    assert live(site, second) == "fuel@2"


def test_evidence_changed_between_two_approvals_stops_the_second(site: Site, people: People) -> None:
    make_tables(site)
    version = add_version(site, people.author)
    review = open_for(site, people.author, version, approvals=2)
    approve(site, people.approver, review.id, version.package_digest)
    sql(site, "UPDATE review_check SET summary='all fine'")
    with pytest.raises(Forbidden, match="is not what the site found"):
        approve(site, person(people.owner, "bob", Role.APPROVER), review.id, version.package_digest)
    assert live(site, version) is None


AUDIT_CHANGES: dict[str, Callable[[int], str]] = {
    "edit the data": lambda n: f"UPDATE audit SET data='{{}}' WHERE number={n}",
    "edit the person": lambda n: f"UPDATE audit SET created_by='mallory' WHERE number={n}",
    "edit the time": lambda n: f"UPDATE audit SET created_at='2001-01-01T00:00:00.000000Z' WHERE number={n}",
    "edit the kind": lambda n: f"UPDATE audit SET kind='nothing' WHERE number={n}",
    "edit the digest": lambda n: f"UPDATE audit SET digest='{OTHER}' WHERE number={n}",
    "delete": lambda n: f"DELETE FROM audit WHERE number={n}",
    "delete the end": lambda n: f"DELETE FROM audit WHERE number>={n}",
    "swap": lambda n: (
        f"UPDATE audit SET number=-1 WHERE number={n}; UPDATE audit SET number={n} WHERE "
        f"number={n % 5 + 1}; UPDATE audit SET number={n % 5 + 1} WHERE number=-1"
    ),
    "insert": lambda n: (
        f"INSERT INTO audit SELECT namespace_id, {n}+1000, kind, subject_id, data, previous_digest, "
        f"digest, created_by, created_at FROM audit WHERE number={n}"
    ),
}


@pytest.mark.parametrize("number", [1, 3, 5])
@pytest.mark.parametrize("change", AUDIT_CHANGES)
def test_a_changed_audit_chain_is_seen(
    site: Site, people: People, approved: Approved, change: str, number: int
) -> None:
    assert verify_audit(site, people.viewer) == len(read_audit(site, people.viewer)) >= 5
    for statement in AUDIT_CHANGES[change](number).split("; "):
        sql(site, statement)
    with pytest.raises(Conflict, match="broken"):
        verify_audit(site, people.viewer)


def test_a_chain_that_was_written_anew_lacks_the_signature(site: Site, people: People, approved: Approved) -> None:
    last = read_audit(site, people.viewer)[-1]
    sql(site, "DELETE FROM audit WHERE number=:n", n=last.number)
    sql(site, "UPDATE audit_head SET number=:n, digest=:d", n=last.number - 1, d=last.previous_digest)
    with pytest.raises(TidemillError, match="head"):
        verify_audit(site, people.viewer)


FORGED_POINTERS = {
    "a later generation": "UPDATE live_pointer SET generation=generation+7",
    "an earlier generation": "UPDATE live_pointer SET generation=1",
    "another version": "UPDATE live_pointer SET model_version_id=previous_version_id",
    "an unknown version": "UPDATE live_pointer SET model_version_id='nothing'",
    "no pointer": "DELETE FROM live_pointer",
}


@pytest.fixture
def second(site: Site, people: People, approved: Approved) -> ModelVersion:
    """Another version, which took the place of the approved one."""
    version = add_version(site, people.author)
    approve(site, people.approver, open_for(site, people.author, version).id, version.package_digest)
    assert live(site, version) == "fuel@2"
    return version


def kinds(site: Site, people: People, count: int) -> list[str]:
    """What the last lines of the audit chain are about; the chain holds."""
    verify_audit(site, people.viewer)
    return [entry.kind for entry in read_audit(site, people.viewer, limit=1000)[-count:]]


@pytest.mark.parametrize("change", FORGED_POINTERS)
def test_a_rollback_believes_no_forged_pointer_and_the_refusal_is_recorded(
    site: Site, people: People, second: ModelVersion, change: str
) -> None:
    sql(site, FORGED_POINTERS[change])
    with pytest.raises(Forbidden, match="does not prove"):
        rollback(site, people.owner, environment="production", service="fuel")
    assert kinds(site, people, 1) == ["rollback.refused"]


@pytest.mark.parametrize("change", FORGED_POINTERS)
def test_a_named_version_sets_a_forged_pointer_right_and_the_tampering_is_recorded(
    site: Site, people: People, second: ModelVersion, change: str
) -> None:
    sql(site, FORGED_POINTERS[change])
    rollback(site, people.owner, environment="production", service="fuel", to="fuel@1")
    assert live(site, second) == "fuel@1"
    assert kinds(site, people, 2) == ["pointer.tampered", "pointer.moved"]


@pytest.mark.parametrize("change", FORGED_POINTERS)
def test_an_approval_sets_a_forged_pointer_right_and_the_tampering_is_recorded(
    site: Site, people: People, second: ModelVersion, change: str
) -> None:
    sql(site, FORGED_POINTERS[change])
    third = add_version(site, people.author)
    approve(site, people.approver, open_for(site, people.author, third).id, third.package_digest)
    assert live(site, third) == "fuel@3"
    assert kinds(site, people, 2) == ["pointer.tampered", "pointer.moved"]


def test_a_pointer_that_holds_is_moved_without_a_word_of_tampering(
    site: Site, people: People, second: ModelVersion
) -> None:
    rollback(site, people.owner, environment="production", service="fuel")
    assert kinds(site, people, 1) == ["pointer.moved"]
    assert "pointer.tampered" not in {entry.kind for entry in read_audit(site, people.viewer, limit=1000)}
