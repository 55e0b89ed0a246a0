"""Services behind a real gateway: approved ones answer, swaps and crashes lose nothing, a rollback is at once."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.integration.predict.running import until
from tests.integration.serving.stage import Stage
from tests.unit.predict.models import Breaking, Linear, Slow

from tidemill.access import Actor, Role, ensure_namespace
from tidemill.base.errors import NotFound, Unavailable
from tidemill.monitoring import find_prediction, list_predictions
from tidemill.serving import (
    Access,
    Reason,
    RevisionState,
    delete_service,
    list_revisions,
    mint_prediction_token,
    predict,
    store,
)
from tidemill.serving.gateway import ServiceRoute, Target
from tidemill.serving.host import PredictorState
from tidemill.serving.source import revision_folder


def states(stage: Stage) -> list[str]:
    """The states of the revisions of `car`, oldest first."""
    service = stage.reconcile()
    return [each.state.value for each in reversed(list_revisions(stage.site, stage.people.author, service))]


def test_nothing_unapproved_gets_traffic_and_the_review_to_open_is_named(stage: Stage) -> None:
    stage.apply()
    service = stage.reconcile()
    assert (service.ready, service.reason) == (False, Reason.AWAITING_APPROVAL)
    assert "tidemill review open" in service.message
    reply = stage.predict([1, 2])
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/json"
    assert "no such service" in reply.json()["error"]


def test_an_approved_version_answers_and_its_prediction_is_found_with_all_that_made_it(stage: Stage) -> None:
    stage.source.add("v1", Linear(2))
    stage.source.point("car", "v1")
    stage.apply()
    service = stage.reconcile()
    assert (service.ready, service.reason) == (True, Reason.SERVING)
    answer = predict(stage.url, namespace="default", service="car", token="", instances=[{"year": 2, "wght": 1}])
    assert answer.predictions == [6.0]
    found = find_prediction(stage.site, stage.people.viewer, answer.prediction_id)
    assert found.model_version_id == "v1"
    assert (found.inputs, found.outputs, found.status) == ([{"wght": 1, "year": 2}], [[6.0]], 200)
    (revision,) = list_revisions(stage.site, stage.people.author, service)
    assert found.revision_id == revision.id


def test_failures_are_in_the_log_too(stage: Stage) -> None:
    stage.source.add("v1", Linear(2))
    stage.source.point("car", "v1")
    stage.apply()
    stage.reconcile()
    reply = stage.client.post("/serving/default/car/v1/models/car:predict", content=b"{")
    assert reply.status_code == 400
    found = find_prediction(stage.site, stage.people.viewer, reply.headers["x-request-id"])
    assert found.status == 400
    assert found.inputs == {"text": "{"}
    (newest, *_) = list_predictions(stage.site, stage.people.viewer, "car")
    assert newest.id == found.id


def test_only_a_valid_token_of_the_service_opens_it(stage: Stage) -> None:
    stage.source.add("v1", Linear())
    stage.source.point("car", "v1")
    stage.apply(access=Access.TOKEN)
    stage.reconcile()

    def ask(token: str) -> int:
        return stage.predict([1, 2], authorization=f"Bearer {token}").status_code

    def mint(service: str, seconds: float = 60) -> str:
        return mint_prediction_token(
            stage.site, stage.people.viewer, namespace="default", service=service, ttl=timedelta(seconds=seconds)
        )

    good = mint("car")
    head, claims, signature = good.split(".")
    assert stage.predict([1, 2]).status_code == 401
    assert ask(good) == 200
    assert ask(mint("bus")) == 403
    assert ask(f"{head}.{claims}.{signature[:-4]}AAAA") == 401
    assert ask(f"{head}.{mint('bus').split('.')[1]}.{signature}") == 401
    assert ask("tm_not-a-prediction-token") == 401


def test_everything_else_reaches_the_server_with_its_authorization(stage: Stage) -> None:
    reply = stage.client.get("/api/v1/whoami", headers={"authorization": "Bearer tm_x"})
    assert reply.text == "server /api/v1/whoami Bearer tm_x"


class Load:
    """Requests without end from a few threads; what came back, counted."""

    def __init__(self, stage: Stage, threads: int = 4) -> None:
        self.answers: Counter[object] = Counter()
        self._stage = stage
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    @property
    def total(self) -> int:
        return sum(self.answers.values())

    def _run(self) -> None:
        with httpx.Client(base_url=self._stage.url, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    reply = client.post("/serving/default/car/v1/models/car:predict", json={"instances": [[1, 2]]})
                except httpx.RemoteProtocolError:
                    self.answers["cut off"] += 1
                    continue
                answer = reply.json().get("predictions", [reply.text])[0]
                self.answers[(reply.status_code, answer)] += 1


def test_swaps_under_load_lose_no_request_and_a_rollback_takes_under_two_seconds(stage: Stage) -> None:
    stage.source.add("v1", Linear(1))
    stage.source.add("v2", Linear(10))
    stage.source.point("car", "v1")
    stage.apply()
    stage.reconcile()
    with Load(stage) as load:
        until(lambda: load.total > 200)
        stage.source.point("car", "v2")
        stage.reconcile()
        until(lambda: load.answers[(200, 30.0)] > 200)
        stage.source.point("car", "v1")
        started = time.perf_counter()
        stage.reconcile()
        seconds = time.perf_counter() - started
        assert stage.predict([1, 2]).json()["predictions"] == [3.0]
        for version in ("v2", "v1") * 10:
            stage.source.point("car", version)
            stage.reconcile()
        until(lambda: load.total > 2000, 30)
    assert seconds < 2
    assert set(load.answers) == {(200, 3.0), (200, 30.0)}
    assert states(stage) == ["live", "standby"]


def test_a_predictor_killed_under_load_is_back_and_fails_no_more_than_it_was_answering(stage: Stage) -> None:
    stage.source.add("v1", Linear(1))
    stage.source.point("car", "v1")
    stage.apply()
    stage.reconcile()
    revision = list_revisions(stage.site, stage.people.author, stage.reconcile())[0].id
    with Load(stage) as load:
        for _ in range(3):
            before = load.total
            until(lambda before=before: load.total > before + 100)
            victim = stage.host.status(revision)
            assert victim.pid is not None
            os.kill(victim.pid, 9)
            until(lambda victim=victim: stage.host.status(revision).restarts > victim.restarts)
            until(lambda: stage.host.status(revision).state is PredictorState.READY)
    assert stage.host.status(revision).restarts == 3
    # head and body of a reply are two writes: a kill between them cuts off what the gateway has begun to pass on
    assert load.answers["cut off"] <= 3 * 4
    assert set(load.answers) - {"cut off"} == {(200, 3.0)}


def test_a_version_that_does_not_load_leaves_the_old_one_serving(stage: Stage) -> None:
    stage.source.add("v1", Linear(1))
    stage.source.add("v2", Linear(2))
    stage.source.point("car", "v1")
    stage.apply()
    stage.reconcile()
    stage.source.point("car", "v2")
    stage.source.break_package = True
    service = stage.reconcile()
    assert (service.ready, service.reason) == (True, Reason.FAILED)
    assert "digest" in service.message
    assert states(stage) == ["live", "failed"]
    assert stage.predict([1, 2]).json()["predictions"] == [3.0]


def test_a_version_that_answers_otherwise_than_recorded_gets_no_traffic(stage: Stage) -> None:
    stage.source.add("v1", Linear(1))
    stage.source.add("v2", Linear(1))
    stage.source.point("car", "v1")
    stage.apply()
    stage.reconcile()
    stage.source.recorded_offset = 0.01
    stage.source.point("car", "v2")
    service = stage.reconcile()
    assert service.reason is Reason.FAILED
    assert "smoke test" in service.message
    assert states(stage) == ["live", "failed"]


def test_a_deleted_service_serves_on_until_it_is_forced(stage: Stage) -> None:
    stage.source.add("v1", Linear(1))
    stage.source.point("car", "v1")
    stage.apply()
    stage.reconcile()
    assert delete_service(stage.site, stage.people.author, "car") is not None
    stage.reconcile()
    assert stage.predict([1, 2]).status_code == 200
    assert delete_service(stage.site, stage.people.author, "car", force=True) is None
    stage.reconciler.sync()
    assert stage.predict([1, 2]).status_code == 404
    until(lambda: stage.host.revisions() == [])


def test_a_third_version_stops_the_first_and_keeps_the_second_warm(stage: Stage) -> None:
    stage.apply()
    for number in (1, 2, 3):
        stage.source.add(f"v{number}", Linear(number))
        stage.source.point("car", f"v{number}")
        stage.reconcile()
    assert states(stage) == ["stopped", "standby", "live"]
    until(lambda: len(stage.host.revisions()) == 2)


def test_a_refused_configuration_changes_nothing_and_is_told(stage: Stage) -> None:
    stage.source.add("v1", Linear(1))
    stage.source.point("car", "v1")
    stage.apply()
    stage.reconcile()
    too_long = Target(cluster="bad", socket=stage.site.home.path / ("x" * 200))
    bad = ServiceRoute(namespace="default", service="car", access=Access.OPEN, targets=(too_long,))
    with pytest.raises(Unavailable, match="did not take"):
        stage.gateway.switch([bad])
    assert stage.predict([1, 2]).status_code == 200
    stage.source.add("v2", Linear(2))
    stage.source.point("car", "v2")
    stage.reconcile()
    assert stage.predict([1, 2]).json()["predictions"] == [6.0]


def test_a_slow_request_is_finished_by_the_old_revision_after_the_switch(stage: Stage) -> None:
    stage.source.add("v1", Slow(0.7))
    stage.source.add("v2", Linear(10))
    stage.source.point("car", "v1")
    stage.apply()
    stage.reconcile()
    with ThreadPoolExecutor(1) as threads:
        pending = threads.submit(stage.predict, [1, 2])
        (live,) = list_revisions(stage.site, stage.people.author, stage.reconcile())
        until(lambda: stage.gateway.active_requests(f"revision-{live.id}") == 1)
        stage.source.point("car", "v2")
        stage.reconcile()
        assert stage.predict([1, 2]).json()["predictions"] == [30.0]
        assert pending.result().json()["predictions"] == [3.0]


def test_a_model_that_kills_its_predictor_is_restarted_and_others_are_answered(stage: Stage) -> None:
    stage.source.add("v1", Breaking())
    stage.source.point("car", "v1")
    stage.apply()
    stage.reconcile()
    assert stage.predict([668, 0]).status_code == 503
    assert stage.predict([1, 2]).json()["predictions"] == [3.0]


def test_predictions_of_another_namespace_are_not_found(stage: Stage) -> None:
    stage.source.add("v1", Linear(1))
    stage.source.point("car", "v1")
    stage.apply()
    stage.reconcile()
    prediction_id = stage.predict([1, 2]).headers["x-request-id"]
    find_prediction(stage.site, stage.people.viewer, prediction_id)
    other = ensure_namespace(stage.site, "other", created_by="test")
    stranger = Actor(person="sam", namespace_id=other.id, roles=frozenset({Role.OWNER}))
    with pytest.raises(NotFound):
        find_prediction(stage.site, stranger, prediction_id)
    assert list_predictions(stage.site, stranger, "car") == []


def test_a_restarted_host_brings_the_live_and_the_previous_revision_back(stage: Stage) -> None:
    stage.apply()
    for number in (1, 2):
        stage.source.add(f"v{number}", Linear(number))
        stage.source.point("car", f"v{number}")
        stage.reconcile()
    for revision_id in stage.host.revisions():
        stage.host.stop(revision_id)
    assert stage.reconcile().ready
    assert stage.predict([1, 2]).json()["predictions"] == [6.0]
    assert len(stage.host.revisions()) == 2
    assert states(stage) == [RevisionState.STANDBY, RevisionState.LIVE]


def test_a_damaged_package_is_unpacked_anew_for_a_predictor_that_dies(stage: Stage) -> None:
    stage.source.add("v1", Linear(2))
    stage.source.point("car", "v1")
    stage.apply()
    assert stage.reconcile().ready
    (revision,) = stage.host.revisions()
    folder = revision_folder(stage.site, revision) / "package"
    (folder / "model.json").write_text("{}")
    pid = stage.host.status(revision).pid
    assert pid is not None
    os.kill(pid, 9)
    until(lambda: stage.host.status(revision).state is not PredictorState.READY)
    assert "the predictor is being restarted" in _told_while(stage, "Loading")
    until(lambda: stage.reconcile().ready)
    assert stage.predict([1, 2]).json()["predictions"] == [6.0]


def _told_while(stage: Stage, reason: str) -> str:
    """The messages that the service has while it is brought back, all of them."""
    told: list[str] = []
    observe = store.observe

    def listen(*given: Any, **named: Any) -> None:
        if named["reason"].value == reason:
            told.append(named["message"])
        observe(*given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "observe", listen)
        stage.reconcile()
    return "\n".join(told)


def test_a_standby_with_another_package_is_found_out_by_asking_it_after_a_restart_of_the_controller(
    stage: Stage,
) -> None:
    """The predictors outlive a controller: the next one believes what they say, not what stands in the rows."""
    stage.apply()
    for version, slope in (("v1", 2.0), ("v2", 3.0)):
        stage.source.add(version, Linear(slope))
        stage.source.point("car", version)
        assert stage.reconcile().ready
    pids = {revision: stage.host.status(revision).pid for revision in stage.host.revisions()}
    stage.lead_anew()
    assert stage.reconcile().ready
    assert {revision: stage.host.status(revision).pid for revision in stage.host.revisions()} == pids
    stage.source.add("v1", Linear(5))  # what the gate proves is another package than the one that runs
    stage.source.digests["v1"] = "the package that was approved"
    stage.lead_anew()
    stage.source.point("car", "v1")
    assert stage.reconcile().ready
    assert stage.predict([1, 2]).json()["predictions"] == [15.0]
