"""What passes without a person: a version by a run of the approved pipeline version, under the approved policy."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import People
from tests.unit.gate.candidates import FAILING, PASSING, open_for
from tests.unit.gate.project_runs import ProjectRuns, training_pipeline

from tidemill.access import Role, create_token
from tidemill.base.errors import InvalidInput, Unavailable
from tidemill.base.events import events_of
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.engine import Run
from tidemill.gate import (
    PipelineReviewRequest,
    Policy,
    Review,
    ReviewState,
    approve,
    evidence_pack,
    open_pipeline_review,
    rollback,
    run_pending_checks,
    trace_decision,
    verify_approval,
    verify_audit,
    verify_live,
)
from tidemill.gate.bound import bind_policies
from tidemill.gate.checks import Check, CheckContext
from tidemill.gate.model import CheckResult
from tidemill.gate.policy import BoundPolicy, ModelOutputs, SmokeLimits, parse_policy

AUTOMATIC = Policy(automatic=True, outputs=ModelOutputs(model="train.model", sample="train.model"))


def approve_pipeline(site: Site, people: People, run: Run, policy: Policy = AUTOMATIC, service: str = "fuel") -> Review:
    """The run's pipeline version and the policy, approved by Ada for production."""
    request = PipelineReviewRequest(run_id=run.id, environment="production", service=service, policy=policy)
    review = open_pipeline_review(site, people.author, request)
    return approve(site, people.approver, review.id, review.package_digest)


def ask(site: Site, people: People, runs: ProjectRuns, run: Run | None = None, **more: Any) -> Review:
    """A review of a version of the run (a run on new data unless given), opened by the author."""
    version = runs.register(run or runs.run(data=runs.data(b"a\n7\n")))
    return open_for(site, people.author, version, policy=more.pop("policy", AUTOMATIC), **more)


def reasons(review: Review) -> str:
    """Why it is left to people; it must be."""
    assert review.state is ReviewState.OPEN
    assert review.automatic is not None
    assert not review.automatic.passed
    return "; ".join(review.automatic.reasons)


def test_a_version_of_the_approved_pipeline_version_goes_live_by_itself_and_names_who_approved_that(
    site: Site, people: People, runs: ProjectRuns, tmp_path: Path
) -> None:
    behind = approve_pipeline(site, people, runs.run())
    review = ask(site, people, runs)
    assert (review.state, review.closed_by, review.approvals) == (ReviewState.APPROVED, "automatic", ())
    assert review.automatic is not None
    assert (review.automatic.pipeline_review_id, review.automatic.approved_by) == (behind.id, ("ada",))
    live = verify_live(site, people.owner.namespace_id, environment="production", service="fuel")
    assert live is not None
    assert (live.version_label, live.approvers, live.pipeline_review_id) == ("fuel@1", ("ada",), behind.id)
    (told,) = trace_decision(site, people.viewer, "fuel@1")["reviews"]
    assert (told["approvers"], told["problem"]) == (["ada"], None)
    assert told["automatic_in_words"] == (
        f"automatic, policy {review.policy_digest}, pipeline approved by ada in review {behind.id}"
    )
    evidence_pack(site, people.viewer, review.id, tmp_path)
    assert f"pipeline approved by ada in review {behind.id}" in (tmp_path / "review.html").read_text()
    assert (tmp_path / "pipeline-approval-1.sig").exists()
    assert verify_audit(site, people.viewer) > 0


def test_the_next_one_passes_too_and_a_rollback_goes_back_to_one_that_passed_so(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    approve_pipeline(site, people, runs.run())
    first = ask(site, people, runs)
    ask(site, people, runs, runs.run(data=runs.data(b"a\n8\n")))
    back = rollback(site, people.owner, environment="production", service="fuel")
    assert back.model_version_id == first.model_version_id
    live = verify_live(site, people.owner.namespace_id, environment="production", service="fuel")
    assert live is not None
    assert live.version_label == "fuel@1"


def test_after_one_was_taken_back_people_decide_until_they_approved_its_code_anew(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    approve_pipeline(site, people, runs.run())
    ask(site, people, runs)
    bad = ask(site, people, runs, runs.run(data=runs.data(b"a\n8\n")))
    assert bad.state is ReviewState.APPROVED
    rollback(site, people.owner, environment="production", service="fuel")
    following = ask(site, people, runs, runs.run(data=runs.data(b"a\n9\n")))
    assert reasons(following) == "fuel@2, made by this pipeline version, was taken back by olga"
    approve(site, people.approver, following.id, following.package_digest)
    assert ask(site, people, runs, runs.run(data=runs.data(b"a\n10\n"))).state is ReviewState.APPROVED


def test_a_pipeline_version_that_people_approve_after_one_was_taken_back_passes_its_own(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    approve_pipeline(site, people, runs.run())
    ask(site, people, runs)
    ask(site, people, runs, runs.run(data=runs.data(b"a\n8\n")))
    rollback(site, people.owner, environment="production", service="fuel")
    better = runs.run(training_pipeline("another"))
    approve_pipeline(site, people, better)
    data = runs.run(training_pipeline("another"), data=runs.data(b"a\n9\n"))
    assert ask(site, people, runs, data).state is ReviewState.APPROVED


def test_without_an_approved_pipeline_version_people_decide_and_what_comes_after_passes_by_itself(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    review = ask(site, people, runs)
    assert reasons(review) == "no pipeline version of fuel is approved for production yet"
    with site.database.read() as connection:
        kinds = [e.kind for e in events_of(connection, namespace_id=review.namespace_id, subject_id=review.id)]
        assert kinds[-2:] == ["review.left_to_people", "review.waiting"]
    assert approve(site, people.approver, review.id, review.package_digest).state is ReviewState.APPROVED
    assert ask(site, people, runs, runs.run(data=runs.data(b"a\n9\n"))).state is ReviewState.APPROVED


def test_another_code_or_other_parameters_are_for_people(site: Site, people: People, runs: ProjectRuns) -> None:
    approve_pipeline(site, people, runs.run())
    assert "its spec is another one" in reasons(ask(site, people, runs, runs.run(training_pipeline("another"))))
    assert "other values of alpha" in reasons(ask(site, people, runs, runs.run(alpha=0.9)))
    assert "reads other data files" in reasons(ask(site, people, runs, runs.run(data=runs.data(path="mine.csv"))))
    assert "of no project" in reasons(ask(site, people, runs, runs.run(project=None)))
    assert "no pipeline version of churn" in reasons(ask(site, people, runs, runs.run(project="churn")))


def test_a_policy_that_people_did_not_see_lets_nothing_pass(site: Site, people: People, runs: ProjectRuns) -> None:
    approve_pipeline(site, people, runs.run())
    lax = replace(AUTOMATIC, smoke=SmokeLimits(timeout_seconds=1e6))
    review = ask(site, people, runs, policy=lax)
    assert "the policy is another one than people approved" in reasons(review)
    approve(site, people.approver, review.id, review.package_digest)
    assert ask(site, people, runs, runs.run(data=runs.data(b"b\n")), policy=lax).state is ReviewState.APPROVED
    assert "the policy is another one" in reasons(ask(site, people, runs, runs.run(data=runs.data(b"c\n"))))


def test_a_policy_that_is_not_automatic_leaves_everything_to_people(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    policy = replace(AUTOMATIC, automatic=False)
    approve_pipeline(site, people, runs.run(), policy)
    review = ask(site, people, runs, policy=policy)
    assert (review.state, review.automatic) == (ReviewState.OPEN, None)


def test_an_approval_for_one_service_or_environment_is_none_for_another(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    approve_pipeline(site, people, runs.run(), service="other")
    assert "approved for the service other" in reasons(ask(site, people, runs))
    assert "approved for staging yet" in reasons(ask(site, people, runs, environment="staging"))


def test_a_failed_check_stops_it(site: Site, people: People, runs: ProjectRuns) -> None:
    approve_pipeline(site, people, runs.run())
    assert reasons(ask(site, people, runs, checks=FAILING)) == "the check smoke failed"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"metrics": {"mae": 0.0}}, "claims metrics that its run did not report"),
        ({"data_versions": {"cars.csv": "md5:newer"}}, "claims data versions that its run did not read"),
        ({"model_output": "train.baseline"}, "made of other outputs than the policy says"),
        ({"is_sealed": False}, "is not what was registered"),
        ({"lock_digest": "sha256:x", "is_sealed": False}, "is not what was registered"),
    ],
)
def test_what_a_version_claims_beyond_its_run_is_for_people(
    site: Site, people: People, runs: ProjectRuns, claims: dict[str, Any], said: str
) -> None:
    approve_pipeline(site, people, runs.run())
    version = runs.register(runs.run(data=runs.data(b"a\n7\n")), **claims)
    assert said in reasons(open_for(site, people.author, version, policy=AUTOMATIC))


def test_data_of_which_the_site_has_no_version_is_for_people(
    site: Site, people: People, runs: ProjectRuns, tmp_path: Path
) -> None:
    (tmp_path / "cars.csv").write_text("a\n666\n")
    approve_pipeline(site, people, runs.run())
    run = runs.run(data=(tmp_path / "cars.csv").as_uri())
    told = reasons(ask(site, people, runs, run))
    assert "import-cars brought in what the site has no version of" in told
    assert "reads other data files" in told


def test_another_policy_that_is_applied_meanwhile_stops_it(site: Site, people: People, runs: ProjectRuns) -> None:
    approve_pipeline(site, people, runs.run())

    class Applying:
        name = "smoke"

        def run(self, context: CheckContext) -> CheckResult:
            stricter = BoundPolicy(policy=replace(AUTOMATIC, approvals=2), source="project fuel", project="fuel")
            with site.database.write() as connection:
                bind_policies(connection, site, signing_key(site.home), people.author, "fuel", {"production": stricter})
            return PASSING["smoke"].run(context)

    review = ask(site, people, runs, checks={**PASSING, "smoke": Applying()})
    assert "another policy was applied" in reasons(review)


def test_a_review_that_a_crash_left_unjudged_is_judged_by_the_next_leader(
    site: Site, people: People, runs: ProjectRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve_pipeline(site, people, runs.run())
    with monkeypatch.context() as cut_off:
        module = importlib.import_module("tidemill.gate.run_checks")
        cut_off.setattr(module, "settle_automatically", lambda *_: None)
        review = ask(site, people, runs)
        assert (review.state, review.automatic) == (ReviewState.OPEN, None)
    assert run_pending_checks(site) == 1
    assert verify_approval(
        site, review.namespace_id, review.model_version_id or "", environment="production", service="fuel"
    ).approvers == ("ada",)
    assert run_pending_checks(site) == 0


def test_checks_that_wait_keep_it_waiting(site: Site, people: People, runs: ProjectRuns) -> None:
    class Waiting:
        name = "smoke"

        def run(self, context: CheckContext) -> CheckResult:
            raise Unavailable("no index")

    waiting: Check = Waiting()
    approve_pipeline(site, people, runs.run())
    review = ask(site, people, runs, checks={**PASSING, "smoke": waiting})
    assert (review.state, review.automatic) == (ReviewState.OPEN, None)


@pytest.mark.parametrize("name", ["automatic", "Automatic", " AUTOMATIC ", "ａutomatic"])
def test_no_person_has_the_name_of_the_site(site: Site, people: People, name: str) -> None:
    with pytest.raises(InvalidInput, match="what the site calls itself"):
        create_token(site, people.owner, person=name, roles=frozenset({Role.VIEWER}))


@pytest.mark.parametrize(
    "policy",
    [
        {"automatic": True},
        {"automatic": "yes"},
        {"automatic": True, "outputs": {"model": "a.b"}},
        {"automatic": True, "outputs": {"model": ["a.b", "a.c"], "sample": "a.d"}},
        {"automatic": True, "outputs": {"model": "a.b", "sample": "a.c", "more": "x"}},
    ],
)
def test_an_automatic_policy_says_what_a_version_is_made_of(
    site: Site, people: People, runs: ProjectRuns, policy: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        ask(site, people, runs, policy=parse_policy(policy))
