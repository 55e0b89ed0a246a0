"""Rows changed behind a running site's back: nothing but what is proven is loaded, kept warm or routed."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from tests.conftest import People
from tests.unit.serving.test_reconcile import Bench

from tidemill.base.site import Site
from tidemill.serving import Access, Reason, RevisionState, Service, ServiceSpec, apply_service, get_service
from tidemill.serving.host import PredictorState, PredictorStatus
from tidemill.serving.routing import cluster_name


@pytest.fixture
def bench(site: Site, people: People) -> Bench:
    """A service that answers with v2 and keeps v1 warm; both are approved."""
    apply_service(site, people.author, ServiceSpec(name="fuel", access=Access.OPEN))
    made = Bench(site, people)
    for version in ("v1", "v2"):
        made.source.live["fuel"] = version
        assert made.turn().ready
    made.reconciler.sync()
    return made


def sql(bench: Bench, statement: str, **values: str) -> None:
    """Write to the database as somebody would who has got hold of it; it must change something."""
    with bench.site.database.write() as connection:
        assert connection.execute(text(statement), values).rowcount > 0


def revision_id(bench: Bench, version: str) -> str:
    """The id of the revision of a version."""
    with bench.site.database.read() as connection:
        found = connection.execute(text("SELECT id FROM revision WHERE model_version_id=:v"), {"v": version})
        return str(found.scalar_one())


def routed(bench: Bench) -> str | None:
    """The package that answers now: what the predictor loaded that the gateway sends requests to."""
    clusters = {cluster_name(launch.revision_id): launch for launch in bench.host.launches}
    routes = bench.gateway.switches[-1]
    if not routes:
        return None
    launch = clusters[routes[0].targets[0].cluster]
    if bench.host.status(launch.revision_id).state is not PredictorState.READY:
        return None
    return str(launch.argument["package_digest"])


def look(bench: Bench) -> Service:
    """A few rounds, as a site makes them all the time."""
    for _ in range(3):
        bench.reconciler.sync()
        bench.turn()
    bench.reconciler.sync()
    return get_service(bench.site, bench.people.author, "fuel")


def restarted(bench: Bench, *, host_too: bool = True) -> Bench:
    """The site after a restart, or after a restart of its controller alone; the pointers are where they were."""
    again = Bench(bench.site, bench.people, None if host_too else bench.host)
    if not host_too:
        again.host = bench.host
    again.source.live, again.source.approved = bench.source.live, bench.source.approved
    again.source.unproven = bench.source.unproven
    return again


FORGE = (
    "INSERT INTO revision SELECT 'forged-0000-0000-0000-000000000000', namespace_id, service_id, 99, 'evil', 'm@9', "
    "'standby', '', 1, created_by, created_at, changed_at FROM revision WHERE model_version_id='v1'"
)


def test_a_standby_whose_version_was_never_approved_is_not_loaded(bench: Bench) -> None:
    sql(bench, FORGE)
    look(bench)
    assert {launch.argument["package_digest"] for launch in bench.host.launches} == {"digest of v1", "digest of v2"}
    assert bench.states()["evil"] is RevisionState.STOPPED


def test_a_standby_whose_version_was_changed_to_another_one_is_ended(bench: Bench) -> None:
    standby = revision_id(bench, "v1")
    sql(bench, "UPDATE revision SET model_version_id='evil' WHERE id=:id", id=standby)
    look(bench)
    assert bench.host.status(standby).state is PredictorState.ABSENT
    assert bench.states()["evil"] is RevisionState.STOPPED
    assert routed(bench) == "digest of v2"


@pytest.mark.parametrize("host_too", [True, False])
def test_a_standby_that_loaded_another_package_gets_no_traffic_in_a_rollback(bench: Bench, host_too: bool) -> None:
    """As if the version's row had named another package while it was loaded, and been put back."""
    standby = revision_id(bench, "v1")
    bench.source.approved["v1"] = "digest of evil"
    bench.host.stop(standby)
    look(bench)
    assert bench.host.launches[-1].argument["package_digest"] == "digest of evil"
    bench.source.approved["v1"] = "digest of v1"
    bench.source.live["fuel"] = "v1"
    after = restarted(bench, host_too=host_too)
    assert look(after).ready
    assert routed(after) == "digest of v1"


def test_a_standby_that_loaded_another_package_is_started_anew_before_a_rollback_needs_it(bench: Bench) -> None:
    bench.source.approved["v1"] = "digest of v1, found out later"
    look(bench)
    launch = bench.host.launches[-1]
    assert (launch.revision_id, launch.argument["package_digest"]) == (
        revision_id(bench, "v1"),
        "digest of v1, found out later",
    )


@pytest.mark.parametrize("state", ["live", "standby", "stopped", "failed"])
def test_rows_that_make_another_revision_live_move_no_traffic_and_are_set_right(bench: Bench, state: str) -> None:
    sql(bench, FORGE)
    sql(bench, "UPDATE revision SET state='live' WHERE model_version_id='evil'")
    sql(bench, "UPDATE revision SET state=:state WHERE model_version_id='v2'", state=state)
    service = look(bench)
    assert routed(bench) == "digest of v2"
    assert bench.states() == {"v1": RevisionState.STOPPED, "v2": RevisionState.LIVE, "evil": RevisionState.STOPPED}
    assert (service.ready, service.reason) == (True, Reason.SERVING)


def test_while_the_proof_fails_what_was_proven_last_answers_whatever_the_rows_say(bench: Bench) -> None:
    sql(bench, FORGE)
    sql(bench, "UPDATE revision SET state='standby' WHERE model_version_id='v2'")
    sql(bench, "UPDATE revision SET state='live' WHERE model_version_id='v1'")
    bench.source.unproven = "the pointer and its last signed move differ"
    service = look(bench)
    assert routed(bench) == "digest of v2"
    assert (service.ready, service.reason, service.is_degraded) == (True, Reason.NOT_PROVEN, True)
    assert "not proven since 20" in service.message
    assert "the pointer and its last signed move differ; what was proven last answers on" in service.message
    bench.source.unproven = None
    service = look(bench)
    assert (service.reason, service.is_degraded) == (Reason.SERVING, False)


@pytest.mark.parametrize("host_too", [True, False])
def test_after_a_restart_with_a_failing_proof_nothing_answers(bench: Bench, host_too: bool) -> None:
    bench.source.unproven = "the pointer and its last signed move differ"
    after = restarted(bench, host_too=host_too)
    service = look(after)
    assert after.gateway.switches[-1] == ()
    assert (service.ready, service.reason) == (False, Reason.NOT_PROVEN)
    assert service.message.count("nothing answers") == 1


def test_a_controller_that_starts_goes_on_routing_what_is_proven(bench: Bench) -> None:
    after = restarted(bench, host_too=False)
    after.reconciler.sync()
    assert routed(after) == "digest of v2"
    assert len(after.host.launches) == 2


def test_versions_of_revisions_that_were_swapped_answer_with_the_proven_one(bench: Bench) -> None:
    one, two = revision_id(bench, "v1"), revision_id(bench, "v2")
    for statement in ("'aside' WHERE id=:one", "'v1' WHERE id=:two", "'v2' WHERE id=:one"):
        given = {name: value for name, value in {"one": one, "two": two}.items() if f":{name}" in statement}
        sql(bench, f"UPDATE revision SET model_version_id={statement}", **given)
    look(bench)
    assert routed(bench) == "digest of v2"
    after = restarted(bench, host_too=False)
    look(after)
    assert routed(after) == "digest of v2"


def test_a_controller_that_starts_asks_a_predictor_what_it_loaded_before_it_routes_it(bench: Bench) -> None:
    one, two = revision_id(bench, "v1"), revision_id(bench, "v2")
    sql(bench, "UPDATE revision SET model_version_id='aside', state='stopped' WHERE id=:two", two=two)
    sql(bench, "UPDATE revision SET model_version_id='v2', state='live' WHERE id=:one", one=one)
    after = restarted(bench, host_too=False)
    after.reconciler.sync()
    assert routed(after) is None
    assert look(after).ready
    assert routed(after) == "digest of v2"


def test_a_revision_whose_socket_is_that_of_the_live_one_is_not_started(bench: Bench) -> None:
    bench.source.approved["v0"] = "digest of v0"
    live = revision_id(bench, "v2")
    twin = ("0" if live[0] != "0" else "1") + live[1:]
    sql(bench, FORGE.replace("'evil'", "'v0'").replace("forged-0000-0000-0000-000000000000", twin))
    look(bench)
    assert twin not in {launch.revision_id for launch in bench.host.launches}


def test_a_pointer_that_vanished_takes_no_traffic_away_and_is_told(bench: Bench) -> None:
    del bench.source.live["fuel"]
    service = look(bench)
    assert routed(bench) == "digest of v2"
    assert (service.ready, service.reason) == (True, Reason.NOT_PROVEN)
    assert "there is no live pointer any more" in service.message


def test_a_pointer_that_moves_while_its_version_is_loaded_is_not_switched_to_the_place_it_left(bench: Bench) -> None:
    """The canary-less switch proves once more when it happens, not only before minutes of loading."""
    bench.source.live["fuel"] = "v3"
    bench.smoke_hook = lambda: bench.source.live.update(fuel="v2")
    bench.turn()
    assert routed(bench) == "digest of v2"
    assert bench.states()["v3"] is not RevisionState.LIVE


def test_a_damaged_package_is_unpacked_anew_and_its_message_is_told(bench: Bench) -> None:
    live = revision_id(bench, "v2")
    told = "ended with 3: starting\nmodel.json: is not what the digest names"
    bench.host.states[live] = PredictorStatus(state=PredictorState.RESTARTING, restarts=2, message=told)
    service = bench.turn()
    assert not service.ready
    assert "ended with 3: starting; model.json: is not what the digest names" in service.message
    bench.source.damaged = True
    started = len(bench.host.launches)
    assert bench.turn().ready
    assert [launch.revision_id for launch in bench.host.launches[started:]] == [live]
    assert routed(bench) == "digest of v2"


def test_a_service_that_a_row_takes_out_of_its_gate_answers_on_as_before(bench: Bench) -> None:
    bench.source.approved["evil"] = "digest of evil"
    bench.source.live["fuel"] = "evil"
    sql(bench, """UPDATE service SET spec=replace(spec, '"production"', '"development"')""")
    service = look(bench)
    assert routed(bench) == "digest of v2"
    assert (service.reason, service.is_degraded) == (Reason.NOT_PROVEN, True)
    assert "it belongs to production, and its row says development" in service.message


def test_a_standby_that_is_restarted_from_a_damaged_package_is_unpacked_anew(bench: Bench) -> None:
    standby = revision_id(bench, "v1")
    bench.host.states[standby] = PredictorStatus(state=PredictorState.RESTARTING, restarts=2)
    started = len(bench.host.launches)
    look(bench)
    assert len(bench.host.launches) == started, "it may only have died"
    bench.source.damaged = True
    look(bench)
    assert [launch.revision_id for launch in bench.host.launches[started:]] == [standby]
    assert bench.states()["v1"] is RevisionState.STANDBY
