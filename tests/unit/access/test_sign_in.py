"""A one-time link signs one browser in, once, for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import FixedClock, People, people_of

from tidemill.access import (
    Actor,
    authenticate,
    create_token,
    make_sign_in_code,
    redeem_sign_in_code,
    revoke_token,
)
from tidemill.access.sign_in import CODE_LASTS, SESSION_LASTS
from tidemill.base.errors import Unauthenticated
from tidemill.base.site import Site


def _with_token(site: Site, actor: Actor, *, valid_for: timedelta | None = None) -> Actor:
    """The same person, who shows a token."""
    owner = people_of(site).owner
    _, secret = create_token(site, owner, person=actor.person, roles=actor.roles, valid_for=valid_for)
    return authenticate(site, secret)


def _session(site: Site, actor: Actor) -> str:
    return redeem_sign_in_code(site, make_sign_in_code(site, actor))[1]


def test_a_code_makes_a_session_of_the_same_person(site: Site, people: People) -> None:
    _, secret = redeem_sign_in_code(site, make_sign_in_code(site, _with_token(site, people.approver)))
    actor = authenticate(site, secret)
    assert (actor.person, actor.roles) == (people.approver.person, people.approver.roles)


def test_a_code_is_good_once(site: Site, people: People) -> None:
    code = make_sign_in_code(site, _with_token(site, people.viewer))
    redeem_sign_in_code(site, code)
    with pytest.raises(Unauthenticated, match="used before"):
        redeem_sign_in_code(site, code)


def test_a_code_and_a_session_run_out(still_site: Site, clock: FixedClock) -> None:
    viewer = _with_token(still_site, people_of(still_site).viewer)
    late = make_sign_in_code(still_site, viewer)
    _, secret = redeem_sign_in_code(still_site, make_sign_in_code(still_site, viewer))
    clock.advance(CODE_LASTS.total_seconds())
    with pytest.raises(Unauthenticated):
        redeem_sign_in_code(still_site, late)
    assert authenticate(still_site, secret).person == viewer.person
    clock.advance(SESSION_LASTS.total_seconds())
    with pytest.raises(Unauthenticated, match="expired"):
        authenticate(still_site, secret)


@pytest.mark.parametrize("code", ["", "x", "é" * 50])
def test_a_guessed_code_is_refused(site: Site, people: People, code: str) -> None:
    make_sign_in_code(site, _with_token(site, people.viewer))
    with pytest.raises(Unauthenticated):
        redeem_sign_in_code(site, code)


def test_a_session_ends_with_the_token_that_made_it(still_site: Site, clock: FixedClock) -> None:
    viewer = _with_token(still_site, people_of(still_site).viewer, valid_for=timedelta(hours=1))
    secret = _session(still_site, viewer)
    clock.advance(3599)
    again = _session(still_site, authenticate(still_site, secret))
    late = make_sign_in_code(still_site, authenticate(still_site, again))
    clock.advance(1)
    for each in (secret, again):
        with pytest.raises(Unauthenticated, match="expired"):
            authenticate(still_site, each)
    with pytest.raises(Unauthenticated):
        redeem_sign_in_code(still_site, late)


def test_a_session_makes_no_other_that_lasts_longer(still_site: Site, clock: FixedClock) -> None:
    secret = _session(still_site, _with_token(still_site, people_of(still_site).viewer))
    clock.advance(SESSION_LASTS.total_seconds() - 1)
    again = _session(still_site, authenticate(still_site, secret))
    clock.advance(1)
    with pytest.raises(Unauthenticated, match="expired"):
        authenticate(still_site, again)


def test_who_revokes_a_token_ends_its_sessions_and_codes(site: Site, people: People) -> None:
    approver, other = _with_token(site, people.approver), _with_token(site, people.approver)
    first = _session(site, approver)
    second = _session(site, authenticate(site, first))
    code = make_sign_in_code(site, authenticate(site, second))
    elsewhere = _session(site, other)
    revoke_token(site, people.owner, approver.token_id)
    for secret in (first, second):
        with pytest.raises(Unauthenticated, match="not known"):
            authenticate(site, secret)
    with pytest.raises(Unauthenticated):
        redeem_sign_in_code(site, code)
    assert authenticate(site, elsewhere).person == people.approver.person
