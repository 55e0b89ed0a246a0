"""A firing on its way: from its run to its review, over crashes and faults that pass."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.gate.candidates import FAILING, PASSING, SettledCheck, add_version, open_for
from tests.unit.triggers.conftest import Mill

from tidemill.access import Actor, Role
from tidemill.base.errors import Conflict, RunFailed, StorageFull, Unavailable
from tidemill.engine import cancel_run
from tidemill.gate import approve, reject, withdraw
from tidemill.gate.checks import Check
from tidemill.gate.model import CheckState
from tidemill.registry import ModelVersion, get_version
from tidemill.triggers import Firing, FiringState, Then, advance, judge
from tidemill.triggers.model import FIRING_TRANSITIONS, check_firing_transition

CRASH = """
import json, os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from tidemill.platform import Platform
from tidemill.triggers import advance

home, approved, where = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
platform = Platform(home=Path(home))
setattr(advance, where, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
advance.advance_firings(platform.site, lambda *_: SimpleNamespace(**approved), None)
"""


def killed_at(mill: Mill, where: str) -> int:
    """The status of a controller that is killed where it calls that function."""
    approved = mill.approved["fuel", "production"]
    facts = {name: getattr(approved, name) for name in ("spec_digest", "run_id", "parameters", "review_id")}
    words = [sys.executable, "-c", CRASH, str(mill.site.home.path), json.dumps(facts), where]
    return subprocess.run(words, check=False).returncode


@pytest.mark.parametrize("where", ["submit_production", "_change"])
def test_a_controller_that_is_killed_around_the_submission_leaves_one_run_sqlite(mill: Mill, where: str) -> None:
    mill.approve()
    mill.declare(mill.spec())
    firing = mill.fire()
    assert killed_at(mill, where) == -signal.SIGKILL
    assert len(mill.production_runs()) == (where == "_change")
    assert mill.firings()[0].state is FiringState.WAITING
    mill.advance(3)
    assert [run.id for run in mill.production_runs()] == [firing.run_id]
    assert mill.firings()[0].state is FiringState.RUNNING


def test_a_run_that_fails_or_is_cancelled_fails_the_firing_with_its_message(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec())
    mill.programs.programs["train"] = lambda _given: 3
    mill.approved["fuel", "production"] = replace(mill.approved["fuel", "production"], parameters={"alpha": 9.0})
    mill.fire()
    mill.advance()
    mill.work()
    mill.advance()
    failed = mill.firings()[0]
    assert (failed.state, (failed.reason or "")[:18]) == (FiringState.FAILED, "the run is FAILED:")
    assert failed.remedy == f"tidemill runs show {(failed.run_id or '')[-12:]}"
    second = mill.fire()
    mill.advance()
    cancel_run(mill.site, mill.people.owner, second.run_id or "")
    mill.work()
    mill.advance()
    assert (mill.firings()[1].state, mill.firings()[1].reason) == (FiringState.FAILED, "the run is CANCELED")


def judging(mill: Mill) -> Firing:
    """A firing whose run succeeded and whose model version is next."""
    mill.approve()
    mill.declare(mill.spec(action={"then": Then.REVIEW}))
    mill.fire()
    mill.advance()
    mill.work()
    mill.advance()
    (firing,) = mill.firings()
    assert firing.state is FiringState.JUDGING
    return firing


def registering(mill: Mill, monkeypatch: pytest.MonkeyPatch, checks: dict[str, Check]) -> list[str]:
    """Let versions be registered without a package, and reviews be opened with settled checks; the calls made."""
    calls: list[str] = []

    def register(site: Any, actor: Actor, request: Any) -> ModelVersion:
        calls.append("register")
        run = next(run for run in mill.production_runs() if run.id == request.run_id)
        return add_version(site, actor, run=run)

    def opened(site: Any, actor: Actor, request: Any) -> Any:
        calls.append("open")
        version = get_version(site, actor, request.model_version_id)
        return open_for(site, actor, version, checks=checks)

    monkeypatch.setattr(judge, "register_version", register)
    monkeypatch.setattr(judge, "open_review", opened)
    return calls


def test_when_all_checks_pass_the_firing_ends_and_people_decide(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    judging(mill)
    calls = registering(mill, monkeypatch, PASSING)
    mill.advance(2)
    (firing,) = mill.firings()
    assert (firing.state, firing.model_version, calls) == (
        FiringState.AWAITING_APPROVAL,
        "fuel@1",
        ["register", "open"],
    )
    assert firing.remedy == f"as an approver: tidemill review approve {(firing.review_id or '')[-12:]}"
    (ended,) = mill.events("firing.ended")
    told = {name: ended.data[name] for name in ("state", "model_version", "review_id", "run_id")}
    assert told == {
        "state": "awaiting_approval",
        "model_version": "fuel@1",
        "review_id": firing.review_id,
        "run_id": firing.run_id,
    }


def test_a_check_that_fails_stops_it_and_is_named(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    judging(mill)
    registering(mill, monkeypatch, FAILING)
    mill.advance()
    (firing,) = mill.firings()
    assert (firing.state, firing.reason) == (FiringState.STOPPED, "stopped by the check smoke: smoke failed")


@pytest.mark.parametrize("noted", ["model_version_id", "review_id"])
def test_a_crash_after_each_step_repeats_none_of_them(mill: Mill, monkeypatch: pytest.MonkeyPatch, noted: str) -> None:
    judging(mill)
    calls = registering(mill, monkeypatch, PASSING)
    note = advance._note

    def dies(site: Any, firing: Firing, changes: dict[str, Any]) -> Firing:
        if noted in changes:
            raise KeyboardInterrupt
        return note(site, firing, changes)

    monkeypatch.setattr(advance, "_note", dies)
    with pytest.raises(KeyboardInterrupt):
        mill.advance()
    monkeypatch.setattr(advance, "_note", note)
    mill.advance()
    assert calls == ["register", "open"]
    assert mill.firings()[0].state is FiringState.AWAITING_APPROVAL


@pytest.mark.parametrize("verb", ["reject", "withdraw", "approve"])
def test_what_people_decide_before_the_firing_has_ended_is_how_it_ends(
    mill: Mill, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    firing = judging(mill)
    registering(mill, monkeypatch, PASSING)
    run = mill.production_runs()[0]
    version = add_version(mill.site, mill.people.author, run=run)
    review = open_for(mill.site, mill.people.author, version)
    if verb == "reject":
        reject(mill.site, mill.people.approver, review.id, "no")
    elif verb == "withdraw":
        withdraw(mill.site, mill.people.author, review.id)
    else:
        approve(mill.site, mill.people.approver, review.id, package_digest=version.package_digest)
    mill.advance()
    (ended,) = mill.firings()
    assert (ended.id, ended.review_id) == (firing.id, review.id)
    assert ended.state is (FiringState.PASSED if verb == "approve" else FiringState.STOPPED)


def test_what_a_clock_that_was_ahead_put_off_is_tried_again_at_once(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging(mill)
    registering(mill, monkeypatch, PASSING)
    register: Any = vars(judge)["register_version"]
    problems = [Unavailable("no index")]

    def fails(*given: Any) -> Any:
        if problems:
            raise problems.pop()
        return register(*given)

    monkeypatch.setattr(judge, "register_version", fails)
    mill.advance()
    mill.clock.advance(-86_400)
    mill.advance(2)
    assert mill.firings()[0].state is not FiringState.JUDGING


def test_what_may_pass_by_itself_is_tried_again_later_and_later(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    judging(mill)
    calls = registering(mill, monkeypatch, PASSING)
    register: Any = vars(judge)["register_version"]
    problems = [StorageFull("no room"), Unavailable("no index"), OSError("odd")]

    def fails(site: Any, actor: Actor, request: Any) -> ModelVersion:
        if problems:
            raise problems.pop(0)
        made: ModelVersion = register(site, actor, request)
        return made

    monkeypatch.setattr(judge, "register_version", fails)
    waits = []
    while mill.firings()[0].state is FiringState.JUDGING:
        mill.advance(2)
        (firing,) = mill.firings()
        if firing.try_again_at is not None:
            waits.append((firing.try_again_at - mill.clock.now()).total_seconds())
            mill.clock.moment = firing.try_again_at
    assert (waits, calls) == ([2.0, 4.0, 8.0], ["register", "open"])


def test_what_never_passes_fails_in_the_end(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    judging(mill)
    monkeypatch.setattr(judge, "register_version", _raising(Unavailable("no index")))
    while mill.firings()[0].state is FiringState.JUDGING:
        mill.advance()
        mill.clock.advance(600)
    assert mill.firings()[0].reason == "after 31 tries: no index"


def test_a_model_that_cannot_be_packaged_fails_at_once_and_others_go_on(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging(mill)
    monkeypatch.setattr(judge, "register_version", _raising(RunFailed("no such model", place="train.model")))
    mill.declare(mill.spec(action={"then": Then.REVIEW}), mill.spec("other"))
    mill.fire("other")
    mill.advance()
    assert (mill.firings()[0].state, mill.firings()[0].reason) == (FiringState.FAILED, "train.model: no such model")
    assert mill.firings("other")[0].state is FiringState.RUNNING


def test_a_check_that_could_not_run_is_waited_for(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    judging(mill)
    registering(mill, monkeypatch, {**PASSING, "smoke": SettledCheck("smoke", CheckState.PENDING)})
    mill.advance()
    (firing,) = mill.firings()
    assert (firing.state, firing.attempts) == (FiringState.JUDGING, 1)
    assert "the check smoke" in (firing.reason or "")


def _raising(problem: Exception) -> Any:
    def fails(*_: Any) -> ModelVersion:
        raise problem

    return fails


def test_only_transitions_of_the_table_are_made() -> None:
    for old, following in FIRING_TRANSITIONS.items():
        for new in FiringState:
            if new in following:
                check_firing_transition(old, new)
            else:
                with pytest.raises(Conflict):
                    check_firing_transition(old, new)
    assert {state for state in FiringState if state.is_final} >= {FiringState.DONE, FiringState.SKIPPED}
    assert set(FIRING_TRANSITIONS) == set(FiringState)


def test_the_author_of_the_run_is_who_fired(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec())
    ci = Actor(person="ci", namespace_id=mill.people.author.namespace_id, roles=frozenset({Role.TRIGGER}))
    from tidemill.triggers import fire

    fire(mill.site, ci, "nightly", mill.approvals, key="k")
    mill.advance()
    assert [run.author for run in mill.production_runs()] == ["ci"]
