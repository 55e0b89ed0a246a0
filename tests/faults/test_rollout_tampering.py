"""Rows of a rollout changed behind a running site's back: no share goes where it was not proven to belong."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text
from tests.conftest import FixedClock
from tests.unit.serving.test_rollout import Stand, another_controller, begin, stand_at

from tidemill.base.site import Site
from tidemill.serving import Reason, Service, get_service
from tidemill.serving.rollout.steer import promote
from tidemill.serving.source import NotProven


@pytest.fixture
def stand(still_site: Site, clock: FixedClock) -> Stand:
    """v1 answers, v2 has 10 %; both are approved, and so was v0 once, which does not run."""
    made = stand_at(still_site, clock)
    made.source.approved |= {"v0": "digest of v0"}
    begin(made)
    return made


def sql(stand: Stand, statement: str, **values: object) -> None:
    """Write to the database as somebody would who has got hold of it; it must change something."""
    with stand.site.database.write() as connection:
        assert connection.execute(text(statement), values).rowcount > 0


def look(stand: Stand) -> Service:
    """A few rounds, as a site makes them all the time."""
    for _ in range(3):
        stand.reconciler.sync()
        stand.turn()
    return get_service(stand.site, stand.people.author, "fuel")


@pytest.mark.parametrize(
    "change",
    [
        "percent=100",
        "percent=100, state='stepping'",
        "state='promoted'",
        "state='rolled_back'",
        "paused=1",
        "from_version_id='v0'",
        "revision_id=from_revision_id",
        "model_version_id='v0'",
        "plan=replace(plan, '[10, 50, 100]', '[100]')",
        "envelope='{}'",
    ],
)
def test_a_row_that_was_not_signed_moves_nothing_and_is_told(stand: Stand, change: str) -> None:
    sql(stand, f"UPDATE rollout SET {change}")
    service = look(stand)
    assert stand.weights() == {"v2": 10, "v1": 90}
    assert (service.ready, service.reason, service.is_degraded) == (True, Reason.NOT_PROVEN, True)
    after = another_controller(stand)
    assert look(after).reason is Reason.NOT_PROVEN
    assert stand.gateway.switches[-1] in (stand.gateway.switches[0], ()), "nobody, or who was proven to be alone"


def test_a_person_does_not_sign_what_somebody_else_wrote(stand: Stand) -> None:
    sql(stand, "UPDATE rollout SET from_version_id='v0'")
    with pytest.raises(NotProven):
        promote(stand.site, stand.people.owner, "fuel")


def test_figures_that_somebody_wrote_bring_no_unproven_revision(stand: Stand) -> None:
    sql(stand, "UPDATE rollout SET watched=:watched", watched=json.dumps({"restarts": 0}))
    look(stand)
    assert set(stand.weights()) == {"v1", "v2"}


def test_an_arm_whose_approval_does_not_prove_any_more_gets_no_share_after_a_restart(stand: Stand) -> None:
    del stand.source.approved["v1"]
    service = look(stand)
    assert (service.reason, stand.weights()) == (Reason.NOT_PROVEN, {"v2": 10, "v1": 90})
    after = another_controller(stand)
    assert look(after).reason is Reason.NOT_PROVEN
    assert after.gateway.switches[-1] == ()


def test_a_canary_that_loaded_another_package_gets_no_share_after_a_restart(stand: Stand) -> None:
    """As if the version's row had named another package while it was loaded, and been put back."""
    canary = stand.revision("v2")
    launch = next(each for each in stand.host.launches if each.revision_id == canary)
    launch.argument["package_digest"] = "digest of evil"
    after = another_controller(stand)
    after.reconciler.sync()
    (route,) = after.gateway.switches[-1]
    assert [target.weight for target in route.targets] == [100], "it is the stable one's"
    look(after)
    assert stand.host.launches[-1].argument["package_digest"] == "digest of v2", "it was started anew"


def test_revisions_that_were_swapped_get_no_share(stand: Stand) -> None:
    one, two = stand.revision("v1"), stand.revision("v2")
    sql(stand, "UPDATE revision SET model_version_id='aside' WHERE id=:one", one=one)
    sql(stand, "UPDATE revision SET model_version_id='v1' WHERE id=:two", two=two)
    sql(stand, "UPDATE revision SET model_version_id='v2' WHERE id=:one", one=one)
    service = look(stand)
    assert service.reason is Reason.NOT_PROVEN
    assert stand.weights() == {"v2": 10, "v1": 90}
    after = another_controller(stand)
    look(after)
    assert {target.weight for route in after.gateway.switches[-1] for target in route.targets} <= {100}
