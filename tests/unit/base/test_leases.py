"""A lease has one holder; who slept past it is refused by every write."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import FixedClock

from tidemill.base.errors import Conflict
from tidemill.base.leases import demand_lease, release_lease, take_lease
from tidemill.base.site import Site

LASTS = timedelta(seconds=10)


def test_a_lease_has_one_holder_until_it_runs_out(still_site: Site, clock: FixedClock) -> None:
    first = take_lease(still_site, name="controller", holder="a", lasts=LASTS)
    assert first is not None
    assert take_lease(still_site, name="controller", holder="b", lasts=LASTS) is None
    clock.advance(11)
    second = take_lease(still_site, name="controller", holder="b", lasts=LASTS)
    assert second is not None
    assert second.fencing_token == first.fencing_token + 1


def test_a_holder_that_slept_past_its_lease_is_refused(still_site: Site, clock: FixedClock) -> None:
    first = take_lease(still_site, name="controller", holder="a", lasts=LASTS)
    assert first is not None
    with still_site.database.write() as connection:
        demand_lease(connection, first)
    clock.advance(11)
    assert take_lease(still_site, name="controller", holder="b", lasts=LASTS) is not None
    with pytest.raises(Conflict, match="lost the lease"), still_site.database.write() as connection:
        demand_lease(connection, first)


def test_a_lease_that_is_given_back_is_free_at_once(still_site: Site) -> None:
    first = take_lease(still_site, name="controller", holder="a", lasts=LASTS)
    assert first is not None
    release_lease(still_site, first)
    assert take_lease(still_site, name="controller", holder="b", lasts=LASTS) is not None


def test_a_holder_that_comes_back_after_its_lease_ran_out_gets_a_new_token(still_site: Site, clock: FixedClock) -> None:
    first = take_lease(still_site, name="controller", holder="a", lasts=LASTS)
    clock.advance(11)
    again = take_lease(still_site, name="controller", holder="a", lasts=LASTS)
    assert first is not None
    assert again is not None
    assert again.fencing_token > first.fencing_token


def test_a_lease_of_a_clock_that_was_ahead_holds_nobody_up(still_site: Site, clock: FixedClock) -> None:
    first = take_lease(still_site, name="controller", holder="a", lasts=LASTS)
    assert first is not None
    clock.advance(-86_400)
    second = take_lease(still_site, name="controller", holder="b", lasts=LASTS)
    assert second is not None
    with pytest.raises(Conflict, match="lost the lease"), still_site.database.write() as connection:
        demand_lease(connection, first)
    assert take_lease(still_site, name="controller", holder="a", lasts=LASTS) is None
