"""The checks of a feature that leaks the target, and of the split by time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from tests.conftest import People
from tests.unit.gate.tables import Outputs, answered_here
from tests.unit.gate.test_checks import context

from tidemill.base.errors import InvalidInput, TidemillError
from tidemill.base.site import Site
from tidemill.gate import CheckState, Policy, parse_policy
from tidemill.gate.checks import find_checks, leak, required_checks
from tidemill.gate.checks.leak import LeakCheck
from tidemill.gate.checks.time_split import TimeSplitCheck
from tidemill.gate.model import CheckResult
from tidemill.gate.policy import Hygiene, Leak, check_policy

HOSTILE = "<script>alert('x')</script>\n" + "\U0001f30a" * 200
RULE = Leak(rows="f.X_test", target="f.y_test")


class Bench:
    """Tables of a run, and a model that takes the columns x, y and one with a hostile name."""

    def __init__(self, site: Site, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outputs = Outputs(site)
        self.context = context(site, people, Policy(), self.outputs)
        self.columns = ["x", HOSTILE]
        monkeypatch.setattr(leak, "package_document", lambda *_: {"columns": self.columns})
        self.put([float((n * 7919) % 101) for n in range(60)], [2.0 * n for n in range(60)])

    def put(self, hostile: list[Any], target: list[Any], **more: list[Any]) -> None:
        """The evaluation rows: x is of little use."""
        x = [float((n * 7) % 13) for n in range(len(target))]
        self.outputs.put_table("f.X_test", {"x": x, HOSTILE: hostile, **more})
        self.outputs.put_table("f.y_test", {"values": target})

    def leak(self, **rule: Any) -> CheckResult:
        """The check of leaks under a rule."""
        policy = Policy(leak=replace(RULE, **rule))
        assert required_checks(policy) == ("challenger", "leak", "smoke")
        return LeakCheck(ask=answered_here).run(replace(self.context, policy=policy))

    def time(self, test: list[Any], train: list[Any], val: list[Any] | None = None, **rule: Any) -> CheckResult:
        """The check of the split by time of rows with these times."""
        for name, times in (("test", test), ("train", train), ("val", val or train)):
            self.outputs.put_table(f"f.{name}", {"when": times, "x": [1] * len(times)})
        hygiene = Hygiene(
            **{"evaluation": ("f.test",), "training": ("f.train",), "tuning": ("f.val",), "time": "when", **rule}
        )
        policy = Policy(hygiene=hygiene)
        assert required_checks(policy) == ("challenger", "hygiene", "smoke", "time_split")
        return TimeSplitCheck(ask=answered_here).run(replace(self.context, policy=policy))


@pytest.fixture
def bench(site: Site, people: People, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Features that tell little."""
    return Bench(site, people, monkeypatch)


def test_features_that_tell_little_pass_and_the_best_is_named(bench: Bench) -> None:
    found = bench.leak()
    assert found.state is CheckState.PASSED
    assert found.summary.startswith("of single features ")
    assert [each["column"] for each in found.evidence["features"]] in (["x", HOSTILE], [HOSTILE, "x"])
    assert (found.evidence["kind"], found.evidence["limit"], found.evidence["rows"]) == ("numbers", 0.999, 60)


def test_a_copy_of_the_target_fails_and_may_with_a_reason_that_the_policy_keeps(bench: Bench) -> None:
    bench.put([f"{32 + 1.8 * n:.3f}" for n in range(60)], [float(n) for n in range(60)])
    found = bench.leak()
    assert found.state is CheckState.FAILED
    assert found.evidence["leaks"] == [HOSTILE]
    assert "says f.y_test all alone, on 60 rows" in found.summary
    assert "<script>" in found.summary
    assert len(found.summary) < 400
    assert "\n" not in found.summary
    allowed = bench.leak(allowed={HOSTILE: "it is measured before"})
    assert allowed.state is CheckState.PASSED
    assert "may: it is measured before" in allowed.summary
    assert allowed.evidence["allowed"] == {HOSTILE: "it is measured before"}
    assert bench.leak(allowed={"x": "no"}).state is CheckState.FAILED


def test_only_what_the_model_takes_can_leak_and_it_must_be_there(bench: Bench) -> None:
    bench.put([0.0] * 60, [float(n) for n in range(60)], copy=[float(n) for n in range(60)])
    assert bench.leak().state is CheckState.PASSED
    bench.columns = ["x", "copy"]
    assert bench.leak().evidence["leaks"] == ["copy"]
    bench.columns = ["x", "gone"]
    with pytest.raises(InvalidInput, match="lacks gone, which the model takes"):
        bench.leak()


def test_a_limit_can_be_lower(bench: Bench) -> None:
    bench.put([n + 3 * ((n * 7919) % 7) for n in range(60)], [float(n) for n in range(60)])
    assert bench.leak().state is CheckState.PASSED
    assert bench.leak(limit=0.8).state is CheckState.FAILED


def test_few_rows_tell_of_plain_copies_only_and_say_so(bench: Bench) -> None:
    bench.put([-float(n) for n in range(9)], [float(n) for n in range(9)])
    found = bench.leak()
    assert found.state is CheckState.PASSED
    assert "9 rows are too few to tell more than plain copies" in found.summary
    bench.put([float(n) for n in range(9)], [float(n) for n in range(9)])
    assert bench.leak().state is CheckState.FAILED


@pytest.mark.parametrize(
    ("target", "said"),
    [([], "has no true values"), ([None] * 30, "has no true values"), (["yes"] * 30, "all 30 true values")],
)
def test_evaluation_rows_that_say_nothing_fail(bench: Bench, target: list[Any], said: str) -> None:
    bench.put([1.0] * len(target), target)
    found = bench.leak()
    assert (found.state, said in found.summary) == (CheckState.FAILED, True)


def test_a_target_that_does_not_fit_is_refused(bench: Bench) -> None:
    bench.outputs.put_table("f.y_test", {"values": [1.0] * 59})
    with pytest.raises(InvalidInput, match="59 values for 60 rows"):
        bench.leak()
    bench.outputs.put_table("f.y_test", {"values": [1.0] * 60, "more": [1.0] * 60})
    with pytest.raises(InvalidInput, match="a target has one"):
        bench.leak()


DAYS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(40)]
PLUS_TWO = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    "kind",
    [
        lambda day: day,
        lambda day: day.replace(tzinfo=None),
        lambda day: day.date(),
        lambda day: day.isoformat(),
        lambda day: day.astimezone(PLUS_TWO).isoformat(),
        lambda day: day.date().isoformat(),
        lambda day: day.timestamp(),
        lambda day: day.toordinal(),
    ],
)
def test_later_rows_pass_and_older_ones_fail_with_their_share(bench: Bench, kind: Any) -> None:
    times = [kind(day) for day in DAYS]
    found = bench.time(test=times[30:], train=times[:25], val=times[25:31])
    assert found.state is CheckState.PASSED, found.summary
    assert found.summary == "10 evaluation rows, none of them older by when than what was learnt from"
    older = bench.time(test=times[20:30], train=times[:25])
    assert older.state is CheckState.FAILED
    assert older.summary.startswith("4 of 10 rows of f.test (40%) are older by when than the latest of f.train")
    assert older.evidence["comparisons"][0]["share"] == 0.4
    assert older.evidence["comparisons"][0]["latest"] == str(times[24])
    assert bench.time(test=times[20:30], train=times[:25], max_older_share=0.4).state is CheckState.PASSED
    tuned = bench.time(test=times[20:30], train=times[:5], val=times[30:])
    assert "(tuning, " in tuned.summary


def test_rows_without_a_time_prove_nothing(bench: Bench) -> None:
    found = bench.time(test=[5, None, float("nan")], train=[1, 2])
    assert found.summary.startswith("2 of 3 rows of f.test (67%) are older")
    found = bench.time(test=[5, 6], train=[1, None])
    assert "1 rows of f.train (training) have no when" in found.summary
    assert bench.time(test=[], train=[1]).summary == "there are no evaluation rows"
    assert bench.time(test=[1], train=[None], max_older_share=1).state is CheckState.PASSED


@pytest.mark.parametrize(
    ("test", "train", "said"),
    [
        (["soon"], ["2026-01-01"], "'soon' in 'when' is no time"),
        ([HOSTILE], ["2026-01-01"], "is no time"),
        ([2026], ["2026-01-01"], "different kinds of times"),
        ([date(2026, 1, 1)], [DAYS[0]], "different kinds of times"),
        ([DAYS[0].isoformat(), "2026-01-01"], ["2026-01-01"], "is no time like the others"),
        ([True], [False], "is no time"),
        ([float("inf")], [1.0], "is no time"),
    ],
)
def test_what_is_no_time_is_refused(bench: Bench, test: list[Any], train: list[Any], said: str) -> None:
    with pytest.raises(TidemillError, match=said):
        bench.time(test=test, train=train)
    with pytest.raises(InvalidInput, match="has no column 'date'"):
        bench.time(test=[1], train=[1], time="date")


def test_the_rules_are_stored_and_read_back_and_earlier_policies_keep_their_digest() -> None:
    entry = {"rows": "f.X", "target": "f.y", "limit": 0.99, "allowed": {HOSTILE: "because"}}
    hygiene = {"evaluation": ["f.X"], "training": ["f.T"], "time": "when", "max_older_share": 0.1}
    policy = parse_policy({"leak": entry, "hygiene": hygiene})
    assert parse_policy(policy.to_json()) == policy
    assert {"leak", "time_split"} <= set(find_checks(policy))
    before = Policy(hygiene=Hygiene(evaluation=("f.X",), training=("f.T",)))
    assert "leak" not in before.to_json()
    assert set(before.to_json()["hygiene"]) == {"evaluation", "training", "tuning", "max_overlap_rows"}


@pytest.mark.parametrize(
    "policy",
    [
        {"leak": {"rows": "a.b"}},
        {"leak": {"rows": "a.b", "target": "a.c", "allowed": {"x": ""}}},
        {"leak": {"rows": "a.b", "target": "a.c", "allowed": ["x"]}},
        {"leak": {"rows": "a.b", "target": "a.c", "limit": 1.1}},
        {"leak": {"rows": "a.b", "target": "a.c", "off": "x"}},
        {"hygiene": {"evaluation": "a.b", "training": "a.c", "time": 1}},
        {"hygiene": {"evaluation": "a.b", "training": "a.c", "max_older_share": 2}},
    ],
)
def test_a_rule_that_cannot_be_is_refused(policy: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        check_policy(parse_policy(policy), environment="production")
