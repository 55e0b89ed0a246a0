"""The guards of a rollout: credible evidence decides, however few requests there are and however often one looks."""

from __future__ import annotations

import random

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.serving.gateway import Figures
from tidemill.serving.rollout import RolloutPlan
from tidemill.serving.rollout.evidence import ALPHA, exceeds, highest_credible
from tidemill.serving.rollout.guards import breach
from tidemill.serving.rollout.plan import check_plan, plan_from_json


@pytest.mark.parametrize("limit", [0.001, 0.01, 0.2])
def test_who_looks_after_every_request_is_hardly_ever_wrong_about_a_revision_at_its_limit(limit: float) -> None:
    draw = random.Random(7)
    alarms = 0
    for _ in range(300):
        failed = 0
        for requests in range(1, 400):
            failed += draw.random() < limit
            if exceeds(failed, requests, limit):
                alarms += 1
                break
    assert alarms <= 300 * ALPHA * 3


def test_five_percent_of_errors_are_found_within_a_few_hundred_requests() -> None:
    draw = random.Random(11)
    needed = []
    for _ in range(50):
        failed = requests = 0
        while not exceeds(failed, requests, 0.01):
            requests += 1
            failed += draw.random() < 0.05
        needed.append(requests)
    assert sorted(needed)[25] <= 200
    assert max(needed) <= 1000


def test_few_requests_decide_little() -> None:
    assert not exceeds(1, 2, 0.01)
    assert not exceeds(0, 0, 0.01)
    assert not exceeds(10, 10, 1.0)
    assert exceeds(1, 1, 0.0), "none was allowed"
    assert highest_credible(0, 0) == 1.0
    assert 0.003 < highest_credible(0, 1000) < 0.01
    assert 0.01 < highest_credible(10, 1000) < 0.04


def figures(requests: int = 0, failed: int = 0, times: tuple[tuple[float, int], ...] = ()) -> Figures:
    return Figures(requests=requests, failed=failed, latencies=times)


def test_an_increase_over_the_stable_revision_is_found_below_the_absolute_limit() -> None:
    plan = RolloutPlan(max_error_rate=0.2, max_error_increase=0.02)
    assert "above the stable revision: 0 of 5000" in breach(plan, figures(400, 40), figures(5000))
    assert not breach(plan, figures(400, 40), figures(5000, 600))
    assert not breach(plan, figures(400, 40), figures(3)), "nothing is known of the stable revision"


def test_a_slow_revision_is_found_by_the_share_of_its_slow_requests() -> None:
    slow = figures(200, times=((10, 150), (100, 200)))
    quick = figures(2000, times=((10, 1990), (100, 2000)))
    plan = RolloutPlan(max_latency_ms=10)
    assert breach(plan, slow, quick) == "50 of 200 requests took longer than 10 ms: p95 is above max_latency_ms 10"
    assert not breach(plan, quick, quick)
    assert not breach(RolloutPlan(max_latency_ms=100), slow, quick)
    assert "of the stable revision's 10 ms" in breach(RolloutPlan(max_latency_ratio=1.0), slow, quick)
    assert not breach(RolloutPlan(max_latency_ratio=20), slow, quick)


def test_a_limit_between_two_bounds_is_held_against_nobody() -> None:
    assert figures(times=((10, 5), (20, 9), (30, 10))).slower_than(15) == 1


def test_figures_go_on_when_the_gateway_counts_anew() -> None:
    before = Figures(requests=10, failed=2, refused=1, latencies=((1, 4), (5, 10)))
    assert before.plus(Figures(requests=1)).since(before) == Figures(requests=1, latencies=((1, 0), (5, 0)))
    assert Figures(requests=3).since(before) == Figures(requests=3)
    assert before.percentile(40) == 1
    assert Figures().percentile(95) is None


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"steps": ()}, "steps"),
        ({"steps": (0, 100)}, "steps"),
        ({"steps": (10, 101)}, "steps"),
        ({"steps": (50, 10)}, "steps"),
        ({"steps": (10, 10)}, "steps"),
        ({"hold_seconds": -1}, "hold_seconds"),
        ({"hold_seconds": float("nan")}, "hold_seconds"),
        ({"min_requests": 0}, "min_requests"),
        ({"max_error_rate": 1.5}, "max_error_rate"),
        ({"max_latency_ms": 0}, "max_latency_ms"),
        ({"max_latency_ratio": 0.5}, "max_latency_ratio"),
        ({"latency_percentile": 42}, "latency_percentile"),
        ({"sticky_header": ""}, "sticky_header"),
        ({"sticky_header": "X-Key\r\nHost: evil"}, "sticky_header"),
        ({"sticky_header": ":path"}, "sticky_header"),
        ({"sticky_header": "Authorization"}, "sticky_header"),
        ({"sticky_header": "schlüssel"}, "sticky_header"),
        ({"sticky_header": "x" * 10_000}, "sticky_header"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_its_field(given: dict[str, object], place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_plan(RolloutPlan(**given))  # type: ignore[arg-type]  # what a file may hold
    assert caught.value.place == f"rollout.{place}"


def test_a_plan_is_stored_and_read_again() -> None:
    plan = RolloutPlan(steps=(1, 10, 100), max_latency_ms=20.0)
    check_plan(plan)
    assert plan_from_json(plan.to_json()) == plan
    assert plan_from_json({}) == RolloutPlan()


def test_a_revision_that_refuses_what_the_stable_one_takes_is_found() -> None:
    canary = Figures(requests=60, refused=20)
    told = breach(RolloutPlan(), canary, Figures(requests=900, refused=9))
    assert told.startswith("20 of 60 requests were refused (33.33%), more than max_refusal_increase 0.05")
    assert not breach(RolloutPlan(), canary, Figures(requests=900, refused=300)), "callers send what nobody takes"
    assert not breach(RolloutPlan(), Figures(requests=60, refused=3), Figures(requests=900)), "a few say little"
    assert not breach(RolloutPlan(max_refusal_increase=None), canary, Figures(requests=900))
    assert not breach(RolloutPlan(), Figures(requests=3, refused=3), Figures(requests=900))


@pytest.mark.parametrize("seed", range(6))
def test_callers_that_refuse_alike_take_no_revision_back(seed: int) -> None:
    draw = random.Random(seed)
    canary = stable = Figures()
    for _ in range(500):
        one = Figures(requests=1, refused=int(draw.random() < 0.2))
        canary, stable = (canary.plus(one), stable) if draw.random() < 0.1 else (canary, stable.plus(one))
        assert not breach(RolloutPlan(), canary, stable)
