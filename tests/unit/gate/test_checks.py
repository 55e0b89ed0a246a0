"""The checks: thresholds, clean rows, and the verdict about a smoke test."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy
import pyarrow
import pytest
from tests.conftest import People
from tests.unit.gate.candidates import PASSING, add_version, make_tables, open_for
from tests.unit.gate.tables import Outputs, answered_here

from tidemill.base.errors import Conflict, InvalidInput, Unavailable
from tidemill.base.site import Site
from tidemill.gate import CheckState, Policy, approve, get_review, run_checks
from tidemill.gate.checks import CheckContext, find_checks, required_checks
from tidemill.gate.checks.hygiene import HygieneCheck
from tidemill.gate.checks.smoke import judge
from tidemill.gate.checks.threshold import ThresholdCheck
from tidemill.gate.model import CheckResult
from tidemill.gate.policy import Hygiene, SmokeLimits, Threshold


@pytest.fixture
def outputs(site: Site) -> Outputs:
    """Outputs to fill."""
    return Outputs(site)


def context(site: Site, people: People, policy: Policy, outputs: Outputs) -> CheckContext:
    """A context for a version of the author."""
    make_tables(site)
    version = add_version(site, people.author)
    return CheckContext(
        site=site, version=version, policy=policy, environment="production", service="fuel", outputs=outputs
    )


@pytest.mark.parametrize(
    ("threshold", "passed"),
    [
        (Threshold(metric="mae", max=2.5), True),
        (Threshold(metric="mae", max=2.4999), False),
        (Threshold(metric="r2", min=0.75), True),
        (Threshold(metric="r2", min=0.7501), False),
        (Threshold(metric="r2", min=0.5, max=0.9), True),
        (Threshold(metric="rmse", max=1e9), False),
    ],
)
def test_a_threshold_is_a_closed_limit_and_a_missing_metric_fails(
    site: Site, people: People, outputs: Outputs, threshold: Threshold, passed: bool
) -> None:
    result = ThresholdCheck().run(context(site, people, Policy(thresholds=(threshold,)), outputs))
    assert (result.state is CheckState.PASSED) == passed
    assert threshold.metric in result.summary


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "2"])
def test_a_metric_that_is_no_finite_number_fails(site: Site, people: People, outputs: Outputs, value: Any) -> None:
    found = context(site, people, Policy(thresholds=(Threshold(metric="mae", max=9),)), outputs)
    found = replace(found, version=replace(found.version, metrics={"mae": value}))
    assert ThresholdCheck().run(found).state is CheckState.FAILED


def hygiene(**rules: Any) -> Policy:
    """A policy with a hygiene rule."""
    return Policy(hygiene=Hygiene(**{"evaluation": ("split.test",), "training": ("split.train",), **rules}))


TRAIN: dict[str, list[Any]] = {"weight": [2130.0, 2500.0, 3000.0], "year": [70, 71, 72]}


def test_strangers_pass_whatever_their_index_and_number_types(site: Site, people: People, outputs: Outputs) -> None:
    outputs.put_table("split.train", TRAIN, index=True)
    outputs.put_table("split.test", {"year": [70, 99], "weight": [2500.0, 2130.0]}, index=True)
    result = HygieneCheck(ask=answered_here).run(context(site, people, hygiene(), outputs))
    assert result.state is CheckState.PASSED
    assert result.evidence["comparisons"][0]["columns"] == ["weight", "year"]


def test_a_shared_row_is_named_with_its_number_and_values(site: Site, people: People, outputs: Outputs) -> None:
    outputs.put_table("split.train", TRAIN, index=True)
    outputs.put_table("split.test", {"year": [99.0, 71.0], "weight": [1, 2500]}, index=True)
    result = HygieneCheck(ask=answered_here).run(context(site, people, hygiene(), outputs))
    assert result.state is CheckState.FAILED
    assert "1 of 2 evaluation rows were seen" in result.summary
    assert "row 1" in result.summary
    assert result.evidence["comparisons"][0]["examples"] == [{"row": 1, "values": {"weight": 2500, "year": "71.0"}}]


WEIGHTS = [0.1, 1 / 3, 2130.7, 1e9 + 0.25]


@pytest.mark.parametrize(
    "trained",
    [
        pyarrow.array(WEIGHTS[::-1], pyarrow.float32()),
        [weight * 1000 / 1000 * 3 / 3 for weight in WEIGHTS],
        [weight * (1 + 1e-14) for weight in WEIGHTS],
        [float(f"{weight:.13g}") for weight in reversed(WEIGHTS)],
    ],
    ids=["narrower", "computed with", "noise", "by way of a text file"],
)
def test_rows_that_differ_in_how_numbers_were_kept_are_the_same_rows(
    site: Site, people: People, outputs: Outputs, trained: Any
) -> None:
    outputs.put_table("split.train", {"weight": trained})
    outputs.put_table("split.test", {"weight": WEIGHTS})
    result = HygieneCheck(ask=answered_here).run(context(site, people, hygiene(), outputs))
    assert result.evidence["overlap_rows"] == 4
    outputs.put_table("split.test", {"weight": [weight * (1 + 1e-6) for weight in WEIGHTS]})
    result = HygieneCheck(ask=answered_here).run(context(site, people, hygiene(), outputs))
    assert result.evidence["overlap_rows"] == 0


def test_a_moment_of_another_is_another_row(site: Site, people: People, outputs: Outputs) -> None:
    now = 1_790_000_000.25
    outputs.put_table("split.train", {"at": [now + second / 100 for second in range(50)], "heat": [21.5] * 50})
    outputs.put_table("split.test", {"at": [now + second / 100 for second in range(50, 99)], "heat": [21.5] * 49})
    result = HygieneCheck(ask=answered_here).run(context(site, people, hygiene(), outputs))
    assert result.evidence["overlap_rows"] == 0


def test_tuning_rows_count_too_and_some_overlap_may_be_allowed(site: Site, people: People, outputs: Outputs) -> None:
    outputs.put_table("split.train", TRAIN)
    outputs.put_table("split.validation", {"weight": [1.0], "year": [1]})
    outputs.put_table("split.test", {"weight": [1.0, 2.0], "year": [1, 2]})
    rule = {"tuning": ("split.validation",)}
    strict = HygieneCheck(ask=answered_here).run(context(site, people, hygiene(**rule), outputs))
    assert strict.state is CheckState.FAILED
    assert "split.validation (tuning)" in strict.summary
    lenient = HygieneCheck(ask=answered_here).run(context(site, people, hygiene(**rule, max_overlap_rows=1), outputs))
    assert lenient.state is CheckState.PASSED


def test_tables_can_stand_side_by_side(site: Site, people: People, outputs: Outputs) -> None:
    outputs.put_table("split.X_train", {"weight": [1.0, 2.0]})
    outputs.put_table("split.y_train", {"mpg": [10.0, 20.0]})
    outputs.put_table("split.X_test", {"weight": [1.0]})
    outputs.put_table("split.y_test", {"mpg": [11.0]})
    beside = {"evaluation": ("split.X_test + split.y_test",), "training": ("split.X_train + split.y_train",)}
    alone = {"evaluation": ("split.X_test",), "training": ("split.X_train",)}
    assert (
        HygieneCheck(ask=answered_here).run(context(site, people, hygiene(**beside), outputs)).state
        is CheckState.PASSED
    )
    assert (
        HygieneCheck(ask=answered_here).run(context(site, people, hygiene(**alone), outputs)).state is CheckState.FAILED
    )


def test_arrays_are_compared_too(site: Site, people: People, outputs: Outputs) -> None:
    for reference, rows in (("split.train", [[1.0, 2.0], [3.0, 4.0]]), ("split.test", [[3.0, 4.0], [5.0, 6.0]])):
        buffer = io.BytesIO()
        numpy.save(buffer, numpy.array(rows), allow_pickle=False)
        outputs.put(reference, buffer.getvalue())
    result = HygieneCheck(ask=answered_here).run(context(site, people, hygiene(), outputs))
    assert result.state is CheckState.FAILED
    assert "1 of 2" in result.summary


def test_missing_values_are_alike(site: Site, people: People, outputs: Outputs) -> None:
    outputs.put_table("split.train", {"a": [None, 1.0], "b": ["x", None]})
    outputs.put_table("split.test", {"a": [float("nan")], "b": ["x"]})
    assert HygieneCheck(ask=answered_here).run(context(site, people, hygiene(), outputs)).state is CheckState.FAILED


@pytest.mark.parametrize(
    "kind", ["pickle", "truncated", "empty file", "array of objects", "no common column", "missing", "no rows"]
)
def test_rows_that_cannot_be_compared_fail_the_check_and_are_never_unpickled(
    site: Site, people: People, outputs: Outputs, kind: str
) -> None:
    outputs.put_table("split.train", TRAIN)
    outputs.put_table("split.test", TRAIN)
    good = outputs.artifacts["split.test"].content
    assert good is not None
    if kind == "pickle":
        outputs.put("split.test", b"cos\nsystem\n(S'exit 3'\ntR.")
    elif kind == "truncated":
        outputs.put("split.test", b"PAR1" + b"\0" * 40)
    elif kind == "array of objects":
        buffer = io.BytesIO()
        numpy.save(buffer, numpy.array([{1}, None], dtype=object), allow_pickle=True)
        outputs.put("split.test", buffer.getvalue())
    elif kind == "empty file":
        outputs.put("split.test", b"")
    elif kind == "no common column":
        outputs.put_table("split.test", {"other": [1]})
    elif kind == "no rows":
        outputs.put_table("split.test", {"weight": [], "year": []})
    else:
        del outputs.artifacts["split.test"]
    policy = hygiene()
    checked = context(site, people, policy, outputs)

    class Bound:
        name = "hygiene"

        def run(self, _: CheckContext) -> CheckResult:
            return HygieneCheck(ask=answered_here).run(checked)

    review = open_for(site, people.author, checked.version, checks={**PASSING, "hygiene": Bound()}, policy=policy)
    found = {check.name: check for check in review.checks}["hygiene"]
    assert found.state is CheckState.FAILED
    assert found.summary
    with pytest.raises(Conflict, match="hygiene"):
        approve(site, people.approver, review.id, review.package_digest)


REPLY = {
    "faults": [],
    "rows": 20,
    "load_seconds": 0.5,
    "latency_ms_p50": 1.5,
    "latency_ms_p95": 3.0,
    "peak_memory_mb": 150.0,
}


@pytest.mark.parametrize(
    ("reply", "limits", "passed"),
    [
        ({}, SmokeLimits(), True),
        ({"faults": ["predict failed"]}, SmokeLimits(), False),
        ({}, SmokeLimits(max_latency_ms=1.5, max_memory_mb=150), True),
        ({}, SmokeLimits(max_latency_ms=1.4), False),
        ({}, SmokeLimits(max_memory_mb=149), False),
    ],
)
def test_a_smoke_test_is_judged_by_faults_latency_and_memory(
    reply: dict[str, Any], limits: SmokeLimits, passed: bool
) -> None:
    assert (judge({**REPLY, **reply}, limits).state is CheckState.PASSED) == passed


def test_a_policy_names_its_checks_and_a_missing_plug_in_is_named() -> None:
    policy = Policy(thresholds=(Threshold(metric="mae", max=1),), hygiene=Hygiene(evaluation=("a",), training=("b",)))
    assert required_checks(policy) == ("challenger", "hygiene", "smoke", "threshold")
    assert required_checks(Policy()) == ("challenger", "smoke")
    assert set(find_checks(policy)) == {"challenger", "hygiene", "smoke", "threshold"}
    with pytest.raises(InvalidInput, match="no check 'bias'"):
        find_checks(Policy(extra_checks=("bias",)))


class Raising:
    """A check that fails in its own way."""

    name = "smoke"

    def __init__(self, problem: Exception) -> None:
        self._problem = problem

    def run(self, context: CheckContext) -> CheckResult:
        raise self._problem


@pytest.mark.parametrize("problem", [ValueError("boom"), OSError("gone"), KeyError("x"), InvalidInput("no", place="p")])
def test_a_check_that_breaks_is_a_failed_check(site: Site, people: People, problem: Exception) -> None:
    make_tables(site)
    review = open_for(
        site, people.author, add_version(site, people.author), checks={**PASSING, "smoke": Raising(problem)}
    )
    assert review.checks_state is CheckState.FAILED


def test_evidence_that_is_no_json_is_a_failed_check(site: Site, people: People) -> None:
    class Odd:
        name = "smoke"

        def run(self, context: CheckContext) -> CheckResult:
            return CheckResult(state=CheckState.PASSED, summary="fine", evidence={"value": float("nan")})

    make_tables(site)
    review = open_for(site, people.author, add_version(site, people.author), checks={**PASSING, "smoke": Odd()})
    assert review.checks_state is CheckState.FAILED


def test_a_fault_of_the_site_leaves_the_check_pending_and_says_why(site: Site, people: People) -> None:
    make_tables(site)
    raising = Raising(Unavailable("no package index answers"))
    review = open_for(site, people.author, add_version(site, people.author), checks={**PASSING, "smoke": raising})
    assert review.checks_state is CheckState.PENDING
    assert "no package index" in review.checks[1].summary
    run_checks(site, people.owner.namespace_id, review.id, checks=PASSING)
    assert get_review(site, people.viewer, review.id).checks_state is CheckState.PASSED
