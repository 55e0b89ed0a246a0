"""Rollouts behind a real gateway: its own statistics tell the share, callers keep to their arm, a broken one ends."""

from __future__ import annotations

import http.client
import json
import math
from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

from tests.integration.predict.running import until
from tests.integration.serving.stage import Stage
from tests.unit.predict.models import Breaking, Linear

from tidemill.access import Actor
from tidemill.serving import Access, Reason, list_revisions, mint_prediction_token
from tidemill.serving.rollout import RolloutPlan
from tidemill.serving.rollout.find import list_rollouts
from tidemill.serving.rollout.model import RolloutState
from tidemill.serving.rollout.steer import promote
from tidemill.serving.traffic import traffic

PLAN = RolloutPlan(steps=(10, 50, 100), hold_requests=10**9)
PATH = "/serving/default/car/v1/models/car:predict"
STABLE, CANARY = 3.0, 30.0


def begun(stage: Stage, access: Access = Access.OPEN) -> None:
    """v1 answers 3, v2 answers 30 and has 10 %."""
    stage.source.add("v1", Linear(1))
    stage.source.add("v2", Linear(10))
    stage.apply(access=access, rollout=PLAN)
    for version in ("v1", "v2"):
        stage.source.point("car", version)
        service = stage.reconcile()
    assert service.reason is Reason.ROLLING_OUT


def answers(stage: Stage, headers: Iterable[dict[str, str]], row: tuple[float, float] = (1, 2)) -> list[object]:
    """What each request gets: the prediction, or the status of a failure."""
    connection = http.client.HTTPConnection(urlsplit(stage.url).netloc, timeout=30)
    body = json.dumps({"instances": [row]})
    found: list[object] = []
    try:
        for each in headers:
            connection.request("POST", PATH, body, each)
            reply = connection.getresponse()
            told = json.loads(reply.read())
            found.append(told["predictions"][0] if reply.status == 200 else reply.status)
    finally:
        connection.close()
    return found


def keys(count: int) -> list[dict[str, str]]:
    return [{"X-Tidemill-Key": f"caller {number}"} for number in range(count)]


def counted(stage: Stage) -> dict[int, int]:
    """The requests of each revision, by the gateway."""
    return {arm.revision.number: arm.figures.requests for arm in traffic(stage.site, stage.people.viewer, "car").arms}


def test_ten_percent_are_ten_percent_by_the_gateways_own_statistics(stage: Stage) -> None:
    begun(stage)
    total, three_sigma = 5000, 3 * math.sqrt(5000 * 0.1 * 0.9)
    for _ in range(2):  # chance is against it once in 370 times
        before = counted(stage)
        told = Counter(answers(stage, [{}] * total))
        until(lambda before=before: sum(counted(stage).values()) == sum(before.values()) + total)
        canary = counted(stage)[2] - before[2]
        assert told == {STABLE: total - canary, CANARY: canary}, "what callers saw is what the gateway counted"
        if abs(canary - total * 0.1) <= three_sigma:
            break
    assert abs(canary - total * 0.1) <= three_sigma
    until(lambda: _timed(stage) >= total)
    stage.reconcile()
    service = stage.reconcile()
    (rollout,) = list_rollouts(stage.site, stage.people.viewer, service)
    assert rollout.watched.canary.requests == counted(stage)[2]


def _timed(stage: Stage) -> int:
    return sum(arm.figures.timed for arm in traffic(stage.site, stage.people.viewer, "car").arms)


def test_a_caller_keeps_to_its_arm_and_who_is_inside_stays_inside(stage: Stage) -> None:
    begun(stage)
    first = answers(stage, keys(400))
    assert answers(stage, keys(400)) == first
    assert 10 <= first.count(CANARY) <= 80
    promote(stage.site, stage.people.owner, "car")
    stage.reconcile()
    second = answers(stage, keys(400))
    assert 140 <= second.count(CANARY) <= 260
    assert all(then == CANARY for now, then in zip(first, second, strict=True) if now == CANARY)
    promote(stage.site, stage.people.owner, "car")
    stage.reconcile()
    assert set(answers(stage, keys(100))) == {CANARY}
    assert stage.reconcile().reason is Reason.SERVING


def test_without_a_key_the_person_of_the_token_keeps_to_an_arm_and_cannot_name_another(stage: Stage) -> None:
    begun(stage, access=Access.TOKEN)
    promote(stage.site, stage.people.owner, "car")
    stage.reconcile()
    people = [f"person {number}" for number in range(30)]

    def token(person: str) -> dict[str, str]:
        actor = Actor(person=person, namespace_id=stage.people.viewer.namespace_id, roles=stage.people.viewer.roles)
        made = mint_prediction_token(stage.site, actor, namespace="default", service="car")
        return {"Authorization": f"Bearer {made}"}

    first = answers(stage, [token(person) for person in people])
    assert set(first) == {STABLE, CANARY}
    for _ in range(2):
        assert answers(stage, [token(person) for person in people]) == first, "another token of the same person"
    forged = [{**token(person), "X-Tidemill-Subject": "somebody else"} for person in people]
    assert answers(stage, forged) == first


def test_a_broken_version_is_taken_back_by_its_guard_and_nobody_outside_sees_it(stage: Stage) -> None:
    """It fails on some rows only, so that its smoke test passes."""
    stage.source.add("v1", Linear(1))
    stage.source.add("v2", Breaking())
    stage.apply(rollout=PLAN)
    stage.source.point("car", "v1")
    stage.reconcile()
    callers = keys(300)
    assert set(answers(stage, callers, (666, 2))) == {668.0}
    stage.source.point("car", "v2")
    stage.reconcile()
    inside: set[int] = set()
    while (service := stage.reconcile()).reason is Reason.ROLLING_OUT:
        found = answers(stage, callers, (666, 2))
        inside |= {number for number, each in enumerate(found) if each != 668.0}
        assert {each for each in found if each != 668.0} == {500}
    assert service.reason is Reason.SERVING
    assert 0 < len(inside) < 90, "callers outside the share saw no failure"
    assert set(answers(stage, callers, (666, 2))) == {668.0}
    (rollout,) = list_rollouts(stage.site, stage.people.viewer, service)
    assert rollout.state is RolloutState.ROLLED_BACK
    assert rollout.watched.canary.failed == rollout.watched.canary.requests >= len(inside)
    assert f"{rollout.watched.canary.failed} of {rollout.watched.canary.requests} requests failed" in rollout.reason
    assert rollout.watched.stable.failed == 0
    states = {each.number: each.state.value for each in list_revisions(stage.site, stage.people.author, service)}
    assert states == {1: "live", 2: "stopped"}
