"""From a real run to an approved, live model version, with the real checks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.gate.conftest import Story

from tidemill.artifacts import CorruptArtifact, blob_store, materialize
from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound
from tidemill.engine import get_run
from tidemill.gate import (
    CheckState,
    Policy,
    Review,
    ReviewRequest,
    ReviewState,
    approve,
    evidence_pack,
    open_review,
    rollback,
    trace_decision,
    verify_live,
)
from tidemill.gate.policy import Challenger, Hygiene, SmokeLimits, Threshold
from tidemill.registry import (
    ModelVersion,
    RegisterRequest,
    diff_versions,
    package_content,
    package_document,
    register_version,
    version_lock,
)
from tidemill.tuning import Direction, TuningRequest, TuningState, parse_space, tune

POLICY = Policy(
    thresholds=(Threshold(metric="mae", max=2.0),),
    hygiene=Hygiene(
        evaluation=("features.X_test + features.y_test",), training=("features.X_train + features.y_train",)
    ),
    smoke=SmokeLimits(max_latency_ms=500, max_memory_mb=2000),
)


def review_of(story: Story, version: ModelVersion, policy: Policy = POLICY, service: str = "fuel") -> Review:
    """An open review with its real checks."""
    request = ReviewRequest(model_version_id=version.id, environment="production", service=service, policy=policy)
    return open_review(story.site, story.people.author, request)


OPENED_ELSEWHERE = """
import json, sys
from pathlib import Path
from tidemill.access import Actor, Role
from tidemill.base.clock import SystemClock
from tidemill.base.database import Database, sqlite_url
from tidemill.base.home import open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.site import Site
from tidemill.gate import ReviewRequest, open_review, parse_policy
asked = json.load(sys.stdin)
home, clock = open_home(Path(asked["home"])), SystemClock()
site = Site(home=home, database=Database(sqlite_url(home.database)), clock=clock, ids=Uuid7Ids(clock))
actor = Actor(person="alan", namespace_id=asked["namespace_id"], roles=frozenset({Role.CONTRIBUTOR}))
policy = parse_policy(asked["policy"])
request = ReviewRequest(
    model_version_id=asked["version"], environment="production", service=asked["service"], policy=policy
)
review = open_review(site, actor, request)
heavy = [name for name in ("numpy", "pandas", "pyarrow", "scipy", "sklearn", "skops") if name in sys.modules]
json.dump([{check.name: check.state.value for check in review.checks}, heavy], sys.stdout)
"""


def opened_elsewhere(
    story: Story, version: ModelVersion, policy: Policy, service: str
) -> tuple[dict[str, str], list[str]]:
    """A review opened by another process: the states of its checks, and which heavy libraries it holds afterwards."""
    asked = {
        "home": str(story.site.home.path),
        "namespace_id": story.people.author.namespace_id,
        "policy": policy.to_json(),
        "version": version.id,
        "service": service,
    }
    argv = [sys.executable, "-c", OPENED_ELSEWHERE]
    done = subprocess.run(argv, input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    states, heavy = json.loads(done.stdout)
    return states, heavy


def test_a_version_tells_where_it_comes_from_and_carries_its_lock(story: Story, version: ModelVersion) -> None:
    assert version.label.startswith("fuel@")
    assert version.parameters == {
        "alpha": 1.0,
        "leak": False,
        "own_function": False,
        "shuffled": False,
        "flattering": False,
    }
    assert 0 < version.metrics["mae"] < 2
    assert (version.author, version.run_author) == ("alan", "alan")
    assert version_lock(story.site, version).digest == version.lock_digest
    document = package_document(story.site, version)
    assert document["file"]["format"] == "skops"
    assert document["columns"] == ["weight", "year"]
    assert document["reference_profile"]["rows"] == 160
    assert len(document["sample"]["outputs"]) == 20


def test_the_same_model_registered_again_is_the_same_version(story: Story, version: ModelVersion) -> None:
    run_id = version.run_id
    request = RegisterRequest(run_id=run_id, model="fuel", model_output="train.model", sample_output="features.X_test")
    with pytest.raises(NotFound, match="no output"):
        register_version(
            story.site,
            story.people.author,
            RegisterRequest(run_id=run_id, model="fuel", model_output="train.nothing", sample_output="features.X_test"),
        )
    with pytest.raises(InvalidInput, match="has no predict"):
        register_version(
            story.site,
            story.people.author,
            RegisterRequest(
                run_id=run_id, model="fuel", model_output="features.X_test", sample_output="features.X_test"
            ),
        )
    again = register_version(story.site, story.people.author, request)
    assert register_version(story.site, story.people.author, request).id == again.id


def test_a_version_passes_its_checks_is_approved_live_and_rolled_back(
    story: Story, version: ModelVersion, tmp_path: Path
) -> None:
    review = review_of(story, version)
    assert {check.name: check.state for check in review.checks} == dict.fromkeys(
        ("challenger", "hygiene", "smoke", "threshold"), CheckState.PASSED
    ), [check.summary for check in review.checks]
    with pytest.raises(Forbidden):
        approve(story.site, story.people.author, review.id, version.package_digest)
    assert approve(story.site, story.people.approver, review.id, version.package_digest).state is ReviewState.APPROVED
    second = story.register(story.run(alpha=5.0))
    assert diff_versions(story.site, story.people.viewer, version.id, second.id).parameters == {"alpha": (1.0, 5.0)}
    approve(story.site, story.people.approver, review_of(story, second).id, second.package_digest)
    namespace_id = story.people.owner.namespace_id
    live = verify_live(story.site, namespace_id, environment="production", service="fuel")
    assert live is not None
    assert live.version_label == second.label
    started = story.site.clock.monotonic_seconds()
    rollback(story.site, story.people.owner, environment="production", service="fuel")
    assert story.site.clock.monotonic_seconds() - started < 2
    live = verify_live(story.site, namespace_id, environment="production", service="fuel")
    assert live is not None
    assert (live.version_label, live.approvers) == (version.label, ("ada",))
    materialize(story.site, package_content(story.site, version), tmp_path / "package")
    assert (tmp_path / "package" / "model.json").is_file()
    evidence_pack(story.site, story.people.viewer, review.id, tmp_path / "evidence")
    document = json.loads((tmp_path / "evidence" / "review.json").read_bytes())
    assert document["model_version"]["code_commit"] == "c0ffee"
    assert trace_decision(story.site, story.people.viewer, version.label)["run"]["id"] == version.run_id


def test_a_challenger_that_learnt_nonsense_is_stopped_by_the_champion_whatever_it_reports(
    story: Story, version: ModelVersion
) -> None:
    policy = replace(POLICY, challenger=Challenger(rows="features.X_test", target="features.y_test"))
    first = review_of(story, version, policy, service="duel")
    approve(story.site, story.people.approver, first.id, version.package_digest)
    worse = review_of(story, story.register(story.run(shuffled=True, flattering=True)), policy, service="duel")
    checks = {check.name: check for check in worse.checks}
    assert checks["threshold"].summary == "mae 0.01 ≤ 2", "that is what its notebook says of it"
    found = checks["challenger"]
    assert found.state is CheckState.FAILED, found.summary
    assert found.summary.startswith("worse than the champion; mae")
    assert (found.evidence["rows"], found.evidence["seen_rows"]) == (80, 0)
    with pytest.raises(Conflict, match="a check failed: challenger"):
        approve(story.site, story.people.approver, worse.id, worse.package_digest)
    alike = story.register(story.run(alpha=1.01))
    states, heavy = opened_elsewhere(story, alike, policy, service="duel")
    assert states == dict.fromkeys(("challenger", "hygiene", "smoke", "threshold"), "passed")
    assert heavy == [], "who opens a review has tables and models looked at by others"


def test_evaluation_rows_that_were_trained_on_are_found(story: Story) -> None:
    review = review_of(story, story.register(story.run(leak=True)), service="leaky")
    found = {check.name: check for check in review.checks}["hygiene"]
    assert found.state is CheckState.FAILED
    assert found.evidence["overlap_rows"] == 10
    with pytest.raises(Conflict, match="hygiene"):
        approve(story.site, story.people.approver, review.id, review.package_digest)


def test_a_model_with_a_function_of_the_notebook_is_packaged_and_answers_in_a_fresh_process(story: Story) -> None:
    version = story.register(story.run(own_function=True))
    assert package_document(story.site, version)["file"]["format"] in ("pickle", "joblib")
    review = review_of(story, version, Policy(), service="own")
    assert review.checks_state is CheckState.PASSED, [check.summary for check in review.checks]


def test_limits_that_the_model_does_not_keep_fail_the_smoke_test(story: Story, version: ModelVersion) -> None:
    tight = Policy(smoke=SmokeLimits(max_latency_ms=0.0001, max_memory_mb=1))
    check = {one.name: one for one in review_of(story, version, tight, service="tight").checks}["smoke"]
    assert check.state is CheckState.FAILED
    assert "the limit is 1 MB" in check.summary


def test_a_package_that_was_changed_in_the_store_is_never_approved(story: Story) -> None:
    version = story.register(story.run(alpha=7.0))
    content = package_content(story.site, version)
    entry = next(one for one in blob_store(story.site).entries(content) if one.path.startswith("model.skops"))
    blob = story.site.home.blobs / entry.digest[7:9] / entry.digest[9:]
    data = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    review = review_of(story, version, Policy(), service="changed")
    assert review.checks_state is CheckState.FAILED
    with pytest.raises(Conflict):
        approve(story.site, story.people.approver, review.id, version.package_digest)
    with pytest.raises(CorruptArtifact):
        materialize(story.site, content, story.site.home.work / "changed")


def test_a_tuning_of_the_notebook_finds_a_candidate(story: Story) -> None:
    request = TuningRequest(
        pipeline=story.pipeline,
        space=parse_space({"alpha": {"type": "float", "low": 0.01, "high": 100, "log": True}}),
        objective="evaluate.metrics.mae",
        direction=Direction.MINIMIZE,
        trials=3,
        parallel=2,
        seed=1,
    )
    done = tune(story.site, story.people.author, request, wait=story.work)
    assert done.state is TuningState.SUCCEEDED
    assert done.best is not None
    best = story.register(get_run(story.site, story.people.author, done.candidate_run_id or ""))
    assert best.metrics["mae"] == done.best.value
