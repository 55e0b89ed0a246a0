"""A one-time link signs one browser in, once, for a while."""

from __future__ import annotations

import pytest
from tests.conftest import FixedClock, People, people_of

from tidemill.access import authenticate, make_sign_in_code, redeem_sign_in_code
from tidemill.access.sign_in import CODE_LASTS, SESSION_LASTS
from tidemill.base.errors import Unauthenticated
from tidemill.base.site import Site


def test_a_code_makes_a_session_of_the_same_person(site: Site, people: People) -> None:
    _, secret = redeem_sign_in_code(site, make_sign_in_code(site, people.approver))
    actor = authenticate(site, secret)
    assert (actor.person, actor.roles) == (people.approver.person, people.approver.roles)


def test_a_code_is_good_once(site: Site, people: People) -> None:
    code = make_sign_in_code(site, people.viewer)
    redeem_sign_in_code(site, code)
    with pytest.raises(Unauthenticated, match="used before"):
        redeem_sign_in_code(site, code)


def test_a_code_and_a_session_run_out(still_site: Site, clock: FixedClock) -> None:
    viewer = people_of(still_site).viewer
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
    make_sign_in_code(site, people.viewer)
    with pytest.raises(Unauthenticated):
        redeem_sign_in_code(site, code)
