"""Tokens: shown once, stored as hashes, good for what their roles allow."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.conftest import FixedClock, People, people_of

from tidemill.access import Role, authenticate, create_token, ensure_namespace, list_tokens, local_token, revoke_token
from tidemill.access.model import GRANTS, Permission
from tidemill.base.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from tidemill.base.site import Site


def test_a_token_makes_its_holder_known(site: Site, people: People) -> None:
    _, secret = create_token(site, people.owner, person="ada", roles=frozenset({Role.APPROVER}))
    actor = authenticate(site, secret)
    assert (actor.person, actor.roles, actor.namespace_id) == (
        "ada",
        frozenset({Role.APPROVER}),
        people.owner.namespace_id,
    )


def test_a_secret_never_stands_in_the_database(site: Site, people: People) -> None:
    _, secret = create_token(site, people.owner, person="ada", roles=frozenset({Role.VIEWER}))
    assert secret.encode() not in site.home.database.read_bytes()
    with site.database.read() as connection:
        assert secret not in str(connection.execute(text("SELECT * FROM token")).all())


@pytest.mark.parametrize("wrong", ["", "tm_", "tm_wrong", "x" * 5000, "é"])
def test_a_wrong_token_is_nobody(site: Site, wrong: str) -> None:
    with pytest.raises(Unauthenticated):
        authenticate(site, wrong)


def test_an_expired_token_is_nobody(still_site: Site, clock: FixedClock) -> None:
    owner = people_of(still_site).owner
    _, secret = create_token(
        still_site, owner, person="ada", roles=frozenset({Role.VIEWER}), valid_for=timedelta(hours=1)
    )
    clock.advance(3599)
    assert authenticate(still_site, secret).person == "ada"
    clock.advance(1)
    with pytest.raises(Unauthenticated, match="expired"):
        authenticate(still_site, secret)


def test_a_revoked_token_is_nobody_at_once(site: Site, people: People) -> None:
    token, secret = create_token(site, people.owner, person="ada", roles=frozenset({Role.VIEWER}))
    revoke_token(site, people.owner, token.id)
    with pytest.raises(Unauthenticated):
        authenticate(site, secret)
    with pytest.raises(NotFound):
        revoke_token(site, people.owner, token.id)


def test_only_who_administers_makes_lists_and_revokes_tokens(site: Site, people: People) -> None:
    token, _ = create_token(site, people.owner, person="ada", roles=frozenset({Role.VIEWER}))
    for actor in (people.author, people.approver, people.viewer):
        with pytest.raises(Forbidden, match="may not administer"):
            create_token(site, actor, person="eve", roles=frozenset({Role.OWNER}))
        with pytest.raises(Forbidden):
            list_tokens(site, actor)
        with pytest.raises(Forbidden):
            revoke_token(site, actor, token.id)


def test_a_token_of_another_namespace_cannot_be_seen_or_revoked(site: Site, people: People) -> None:
    other = ensure_namespace(site, "other", created_by="test")
    token, _ = create_token(site, people.owner, person="ada", roles=frozenset({Role.VIEWER}))
    stranger = type(people.owner)(person="sam", namespace_id=other.id, roles=frozenset({Role.OWNER}))
    assert list_tokens(site, stranger) == []
    with pytest.raises(NotFound):
        revoke_token(site, stranger, token.id)


@pytest.mark.parametrize("person", ["r\u043e\u043et", "\u0410da", "\u039ftto"])
def test_a_name_that_reads_like_anothers_is_refused(site: Site, people: People, person: str) -> None:
    with pytest.raises(InvalidInput, match="reads like another person's name"):
        create_token(site, people.owner, person=person, roles=frozenset({Role.APPROVER}))


@pytest.mark.parametrize("person", ["Željko Ć.", "Анна", "Ελένη", "李 Lei", "o'neill-2"])
def test_a_name_in_one_alphabet_is_taken(site: Site, people: People, person: str) -> None:
    token, _ = create_token(site, people.owner, person=person, roles=frozenset({Role.APPROVER}))
    assert token.person == person


@pytest.mark.parametrize("person", ["", "  ", "x" * 129, "a\nb"])
def test_a_token_needs_a_printable_person(site: Site, people: People, person: str) -> None:
    with pytest.raises(InvalidInput):
        create_token(site, people.owner, person=person, roles=frozenset({Role.VIEWER}))


def test_the_local_token_is_made_once_and_closed_to_others(site: Site) -> None:
    first = local_token(site)
    assert local_token(site) == first
    path = site.home.keys / "local-token"
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert authenticate(site, first).roles == frozenset({Role.OWNER})


def test_nobody_both_changes_things_and_approves_them() -> None:
    for role, granted in GRANTS.items():
        assert not {Permission.WRITE, Permission.APPROVE} <= granted, role


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a_b", "x" * 64, "a/b"])
def test_a_namespace_has_a_name_that_kubernetes_takes_too(site: Site, name: str) -> None:
    with pytest.raises(InvalidInput):
        ensure_namespace(site, name, created_by="test")


def test_who_administers_the_site_opens_a_namespace_for_another_team(site: Site, people: People) -> None:
    _, secret = create_token(site, people.owner, person="sam", roles=frozenset({Role.OWNER}), namespace="risk")
    sam = authenticate(site, secret)
    assert sam.namespace_id != people.owner.namespace_id
    assert [token.person for token in list_tokens(site, sam)] == ["sam"]
    assert list_tokens(site, people.owner) == []


def test_the_owner_of_another_namespace_opens_none(site: Site, people: People) -> None:
    _, secret = create_token(site, people.owner, person="sam", roles=frozenset({Role.OWNER}), namespace="risk")
    for name in ("default", "more", "risk"):
        with pytest.raises(Forbidden, match="does not administer"):
            create_token(site, authenticate(site, secret), person="eve", roles=frozenset({Role.OWNER}), namespace=name)
