"""A policy is data with one digest, and says what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.gate import Policy, parse_policy
from tidemill.gate.policy import Hygiene, Threshold, check_policy

FULL = {
    "thresholds": [{"metric": "val_mae", "max": 3}, {"metric": "r2", "min": 0.5}],
    "hygiene": {"evaluation": "split.X_test + split.y_test", "training": ["split.X_train"], "tuning": []},
    "smoke": {"max_latency_ms": 50, "max_memory_mb": 500},
    "approvals": 2,
}


def test_a_policy_survives_its_stored_form_with_the_same_digest() -> None:
    policy = parse_policy(FULL)
    again = parse_policy(policy.to_json())
    assert (again, again.digest) == (policy, policy.digest)
    assert policy.hygiene == Hygiene(evaluation=("split.X_test + split.y_test",), training=("split.X_train",))
    assert policy.thresholds[0] == Threshold(metric="val_mae", max=3.0)
    assert parse_policy({}) == Policy()


def test_another_limit_is_another_digest() -> None:
    assert parse_policy({**FULL, "approvals": 1}).digest != parse_policy(FULL).digest


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"treshold": []}, "policy.treshold"),
        ({"thresholds": {}}, "policy.thresholds"),
        ({"thresholds": [{"max": 1}]}, "policy.thresholds[0].metric"),
        ({"thresholds": [{"metric": "a", "max": "1"}]}, "policy.thresholds[0].max"),
        ({"thresholds": [{"metric": "a", "above": 1}]}, "policy.thresholds[0].above"),
        ({"approvals": -1}, "policy.approvals"),
        ({"approvals": True}, "policy.approvals"),
        ({"approvals": 1.5}, "policy.approvals"),
        ({"hygiene": {"evaluation": [1]}}, "policy.hygiene.evaluation"),
        ({"smoke": {"max_latency_ms": True}}, "policy.smoke.max_latency_ms"),
        ({"schema_version": 2}, "policy"),
    ],
)
def test_what_is_no_policy_is_named_with_its_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_policy({**FULL, **change})
    assert caught.value.place == place


@pytest.mark.parametrize(
    "policy",
    [
        Policy(approvals=0),
        Policy(approvals=21),
        Policy(thresholds=(Threshold(metric="a"),)),
        Policy(hygiene=Hygiene(evaluation=(), training=("a",))),
        Policy(hygiene=Hygiene(evaluation=("a",), training=())),
    ],
)
def test_a_policy_that_says_nothing_sensible_is_refused_in_production(policy: Policy) -> None:
    with pytest.raises(InvalidInput):
        check_policy(policy, environment="production")
