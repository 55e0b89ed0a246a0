"""Champion against challenger: which rows are clean, how sure a difference is, and what it means."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pyarrow
import pytest
from scipy import stats
from tests.conftest import People
from tests.unit.gate.candidates import add_version, make_tables
from tests.unit.gate.tables import Outputs, answered_here

from tidemill.base.errors import Forbidden, InvalidInput
from tidemill.base.site import Site
from tidemill.gate import CheckState, parse_policy
from tidemill.gate.checks import Champion, CheckContext, challenger
from tidemill.gate.checks.challenger import ChallengerCheck
from tidemill.gate.model import CheckResult
from tidemill.gate.policy import Challenger, Hygiene, Policy
from tidemill.tables.comparison import Answers, compare, losses, metric_for

HYGIENE = Hygiene(evaluation=("f.X_test",), training=("f.X_train",), tuning=("f.X_val",))
RULE = Challenger(rows="f.X_test", target="f.y_test", min_rows=5)
Model = Callable[[dict[str, list[Any]]], list[Any]]


class Bench:
    """A champion and a challenger whose models are functions of the columns, and the tables of their runs."""

    def __init__(self, site: Site, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
        make_tables(site)
        self.site, self.people = site, people
        self.old, self.new = add_version(site, people.author), add_version(site, people.author)
        self.before, self.after = Outputs(site), Outputs(site)
        self.columns = {self.old.id: ["x"], self.new.id: ["x"]}
        self.models: dict[str, Model] = {}
        self.asked: dict[str, dict[str, list[Any]]] = {}
        self.shares: dict[str, Any] = {}
        monkeypatch.setattr(challenger, "package_document", lambda _, one: {"columns": self.columns[one.id]})
        monkeypatch.setattr(challenger, "_rescored", self._rescored)

    def _rescored(self, _: Any, version: Any, rows: Path, *, probabilities: bool) -> dict[str, Any]:
        columns = self.asked[version.id] = json.loads(rows.read_bytes())
        try:
            found = self.models[version.id](columns)
        except ArithmeticError as problem:
            return {"fault": str(problem)}
        return {"fault": None, "predictions": found, **self.shares.get(version.id, {"classes": None, "shares": None})}

    def tables(self, outputs: Outputs, *, test: range, train: range, val: range = range(0)) -> None:
        """Rows named by a number; the truth is twice that."""
        for name, rows in (("X_test", test), ("X_train", train), ("X_val", val)):
            outputs.put_table(f"f.{name}", {"x": [float(number) for number in rows]})
        outputs.put_table("f.y_test", {"y": [2.0 * number for number in test]})

    def run(
        self, old: Model, new: Model, rule: Challenger | None = RULE, hygiene: Hygiene | None = HYGIENE
    ) -> CheckResult:
        """The check with these models."""
        self.models = {self.old.id: old, self.new.id: new}
        context = CheckContext(
            site=self.site,
            version=self.new,
            policy=Policy(challenger=rule, hygiene=HYGIENE),
            environment="production",
            service="fuel",
            outputs=self.after,
            champion=lambda: Champion(version=self.old, hygiene=hygiene, outputs=self.before),
        )
        return ChallengerCheck(ask=answered_here).run(context)


@pytest.fixture
def bench(site: Site, people: People, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A champion that learnt from the rows 0 to 59, a challenger that learnt from 0 to 99; 100 to 179 are tested."""
    made = Bench(site, people, monkeypatch)
    made.tables(made.before, test=range(60, 80), train=range(60))
    made.tables(made.after, test=range(100, 180), train=range(100))
    return made


def off_by(amount: float) -> Model:
    """A model that is off by up to so much, differently from row to row."""
    return lambda columns: [2 * x + amount * ((x * 7919) % 13 - 6) / 6 for x in columns["x"]]


def test_a_worse_challenger_is_stopped_and_a_better_one_passes(bench: Bench) -> None:
    worse = bench.run(off_by(1), off_by(3))
    assert worse.state is CheckState.FAILED
    assert worse.summary.startswith("worse than the champion; mae")
    low, high = worse.evidence["interval"]
    assert 0 < low < worse.evidence["difference"] < high
    assert (worse.evidence["rows"], worse.evidence["seen_rows"], worse.evidence["metric"]) == (80, 0, "mae")
    assert bench.run(off_by(3), off_by(1)).state is CheckState.PASSED
    assert bench.run(off_by(1), off_by(1)).state is CheckState.PASSED, "the same is not worse"


def test_what_is_worse_by_chance_only_passes(bench: Bench) -> None:
    result = bench.run(off_by(1), lambda columns: [2 * x + ((x * 104729) % 13 - 6) / 5.9 for x in columns["x"]])
    assert result.state is CheckState.PASSED
    assert result.evidence["interval"][0] < 0 < result.evidence["interval"][1]


def test_it_must_be_better_where_the_policy_says_so_and_a_margin_allows_for_some(bench: Bench) -> None:
    better = replace(RULE, must="be better")
    assert bench.run(off_by(1), off_by(1), better).state is CheckState.FAILED
    assert bench.run(off_by(3), off_by(1), better).state is CheckState.PASSED
    assert bench.run(off_by(3), off_by(2.9), replace(better, margin=1)).state is CheckState.FAILED
    assert bench.run(off_by(1), off_by(1.5), replace(RULE, margin=2)).state is CheckState.PASSED


def test_rows_that_either_has_seen_are_left_out(bench: Bench) -> None:
    bench.tables(bench.before, test=range(300, 320), train=range(100, 130), val=range(130, 140))
    bench.tables(bench.after, test=range(100, 180), train=range(20), val=range(170, 180))
    result = bench.run(off_by(3), off_by(1))
    assert (result.evidence["rows"], result.evidence["seen_rows"]) == (30, 50)
    assert bench.asked[bench.old.id] == {"x": [float(number) for number in range(140, 170)]}
    assert bench.asked[bench.old.id] == bench.asked[bench.new.id]


def test_rows_that_were_learnt_as_narrower_numbers_are_known_rows(bench: Bench) -> None:
    numbers = [1000 + n / 7 for n in range(100, 180)]
    bench.after.put_table("f.X_test", {"x": numbers})
    bench.before.put_table("f.X_train", {"x": pyarrow.array(numbers[:60], pyarrow.float32())})
    assert bench.run(off_by(1), off_by(1)).evidence["seen_rows"] == 60


def test_a_champion_does_not_win_by_rows_that_it_knows(bench: Bench) -> None:
    """It answers what it has learnt without an error, and everything else badly."""

    def knows_by_heart(columns: dict[str, list[Any]]) -> list[Any]:
        return [2 * x if x < 160 else 2 * x + 50 for x in columns["x"]]

    bench.tables(bench.before, test=range(300, 320), train=range(100, 160))
    assert bench.run(knows_by_heart, off_by(5)).state is CheckState.PASSED
    bench.tables(bench.before, test=range(300, 320), train=range(0))
    assert bench.run(knows_by_heart, off_by(500)).state is CheckState.FAILED


@pytest.mark.parametrize(("rule", "state"), [("fail", CheckState.FAILED), ("pass", CheckState.PASSED)])
def test_too_few_clean_rows_count_as_the_policy_says(bench: Bench, rule: str, state: CheckState) -> None:
    bench.tables(bench.before, test=range(300, 320), train=range(100, 176))
    result = bench.run(off_by(1), off_by(9), replace(RULE, incomparable=rule))
    assert result.state is state
    assert "4 of 80 evaluation rows were seen by neither model, 5 are needed" in result.summary


def test_what_cannot_be_compared_is_said(bench: Bench) -> None:
    bench.columns[bench.old.id] = ["x", "gone"]
    assert "fuel@1 takes gone, which f.X_test has not" in bench.run(off_by(1), off_by(1)).summary
    bench.columns[bench.old.id] = ["x"]
    assert "no [gate.hygiene] says which rows fuel@1 learnt from" in bench.run(off_by(1), off_by(1), RULE, None).summary
    assert "division" in bench.run(lambda _: [1 // 0], off_by(1)).summary
    del bench.before.artifacts["f.X_train"]
    result = bench.run(off_by(1), off_by(1))
    assert result.state is CheckState.FAILED
    assert "nobody can read what fuel@1 learnt from" in result.summary


def test_a_column_more_leaves_the_champion_its_own(bench: Bench) -> None:
    bench.after.put_table("f.X_test", {"x": [float(n) for n in range(100, 180)], "new": [1.0] * 80})
    bench.after.put_table("f.X_train", {"x": [float(n) for n in range(100)], "new": [0.0] * 100})
    bench.columns[bench.new.id] = ["x", "new"]
    assert bench.run(off_by(2), off_by(1)).state is CheckState.PASSED
    assert (list(bench.asked[bench.old.id]), list(bench.asked[bench.new.id])) == (["x"], ["x", "new"])


def test_rows_without_a_true_value_do_not_count(bench: Bench) -> None:
    bench.after.put_table("f.y_test", {"y": [None if n % 2 else 2.0 * n for n in range(100, 180)]})
    assert bench.run(off_by(3), off_by(1)).evidence["rows"] == 40


def test_a_slice_that_gets_worse_stops_it(bench: Bench) -> None:
    bench.after.put_table("f.X_test", {"x": [float(n) for n in range(100, 180)], "kind": ["a"] * 60 + ["b"] * 20})
    bench.after.put_table("f.X_train", {"x": [0.0], "kind": ["a"]})

    def bad_for_b(columns: dict[str, list[Any]]) -> list[Any]:
        return [2 * x + (0 if x < 160 else 4) for x in columns["x"]]

    assert bench.run(off_by(2), bad_for_b).state is CheckState.PASSED
    result = bench.run(off_by(2), bad_for_b, replace(RULE, slices=("kind", "x")))
    assert result.state is CheckState.FAILED
    assert "worse where kind = b" in result.summary
    assert {part["slice"]: part["is_worse"] for part in result.evidence["slices"]}["kind = a"] is False
    assert len(result.evidence["slices"]) == 2 + 4
    with pytest.raises(InvalidInput, match="no column 'mode'"):
        bench.run(off_by(1), off_by(1), replace(RULE, slices=("mode",)))


def test_labels_are_compared_by_accuracy_or_by_probabilities(bench: Bench) -> None:
    bench.after.put_table("f.y_test", {"y": ["yes" if n % 3 else "no" for n in range(100, 180)]})
    right: Model = lambda columns: ["yes" if x % 3 else "no" for x in columns["x"]]  # noqa: E731 short
    always: Model = lambda columns: ["yes"] * len(columns["x"])  # noqa: E731 short
    result = bench.run(right, always)
    assert (result.state, result.evidence["metric"]) == (CheckState.FAILED, "accuracy")
    assert "accuracy 0.675 (fuel@2) against 1 (fuel@1)" in result.summary
    with pytest.raises(InvalidInput, match="gives no probabilities"):
        bench.run(right, right, replace(RULE, metric="log_loss"))
    sure = {"classes": ["no", "yes"], "shares": [[0.1, 0.9] if n % 3 else [0.9, 0.1] for n in range(100, 180)]}
    unsure = {"classes": ["no", "yes"], "shares": [[0.4, 0.6] if n % 3 else [0.6, 0.4] for n in range(100, 180)]}
    bench.shares = {bench.old.id: sure, bench.new.id: unsure}
    assert bench.run(right, right, replace(RULE, metric="log_loss")).state is CheckState.FAILED
    assert bench.run(right, right).state is CheckState.PASSED


def test_without_a_champion_or_a_rule_it_says_so(bench: Bench) -> None:
    assert "not configured" in bench.run(off_by(1), off_by(9), None).summary
    context = CheckContext(
        site=bench.site,
        version=bench.new,
        policy=Policy(challenger=RULE, hygiene=HYGIENE),
        environment="production",
        service="fuel",
        outputs=bench.after,
    )
    found = ChallengerCheck(ask=answered_here).run(context)
    assert (found.state, found.summary) == (CheckState.PASSED, "first version: nothing is live as fuel in production")

    def tampered() -> Champion | None:
        raise Forbidden("the pointer and its last signed move differ")

    with pytest.raises(Forbidden):
        ChallengerCheck(ask=answered_here).run(replace(context, champion=tampered))


def test_a_target_that_does_not_fit_the_rows_fails(bench: Bench) -> None:
    bench.after.put_table("f.y_test", {"y": [1.0] * 3})
    with pytest.raises(InvalidInput, match="has 3 values for 80 rows"):
        bench.run(off_by(1), off_by(1))
    bench.after.put_table("f.y_test", {"y": [1.0] * 80, "z": [1.0] * 80})
    with pytest.raises(InvalidInput, match="a target has one"):
        bench.run(off_by(1), off_by(1))


def test_the_interval_is_that_of_scipy_and_the_same_each_time() -> None:
    random = numpy.random.default_rng(5)
    old, new = random.gamma(2, 1, 400), random.gamma(2.4, 1, 400)
    ours = compare(old.tolist(), new.tolist(), seed=1)
    assert ours == compare(old.tolist(), new.tolist(), seed=1)
    assert ours != compare(old.tolist(), new.tolist(), seed=2)
    theirs = stats.bootstrap(
        (new - old,), numpy.mean, n_resamples=2000, method="percentile", random_state=random
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.03)
    assert ours.high == pytest.approx(theirs.high, abs=0.03)


def test_the_metric_that_fits_is_found() -> None:
    assert metric_for("", [1, 0], [Answers(predictions=[1, 1.0])]) == "accuracy"
    assert metric_for("", [1, 0], [Answers(predictions=[1, 0.5])]) == "mae"
    assert metric_for("", [1.5, 0], [Answers(predictions=[1, 1])]) == "mae"
    assert metric_for("mse", ["a"], [Answers(predictions=["b"])]) == "mse"
    assert losses("accuracy", [1, True, "1"], Answers(predictions=[1.0, 1, 1])) == [0.0, 0.0, 1.0]
    assert losses("mse", [1.0, 3.0], Answers(predictions=[2.0, 1.0])) == [1.0, 4.0]
    with pytest.raises(InvalidInput, match="is no number"):
        losses("mae", [1.0], Answers(predictions=["<b>"]))
    with pytest.raises(InvalidInput, match="is no number"):
        losses("mae", [1.0], Answers(predictions=[None]))


@pytest.mark.parametrize(
    "entry",
    [
        {"rows": "a.b"},
        {"rows": "a.b", "target": []},
        {"rows": "a.b", "target": "a.c", "metric": "r2"},
        {"rows": "a.b", "target": "a.c", "must": "win"},
        {"rows": "a.b", "target": "a.c", "margin": "1"},
        {"rows": "a.b", "target": "a.c", "min_rows": -1},
        {"rows": "a.b", "target": "a.c", "incomparable": "maybe"},
        {"rows": "a.b", "target": "a.c", "more": 1},
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_place(entry: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as problem:
        parse_policy({"challenger": entry})
    assert (problem.value.place or "").startswith("policy.challenger")


def test_a_rule_is_stored_and_read_back() -> None:
    entry = {"rows": "a.b", "target": "a.c", "metric": "mae", "margin": 1, "slices": ["kind"], "min_rows": 7}
    policy = parse_policy({"challenger": entry})
    assert parse_policy(policy.to_json()) == policy
    assert policy.challenger is not None
    assert (policy.challenger.min_rows, policy.challenger.must) == (7, "not be worse")
