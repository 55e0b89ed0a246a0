"""Pipeline versions: what decides one, who approves it, and what counts as approved afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from tests.conftest import People
from tests.unit.gate.candidates import add_version, open_for, person
from tests.unit.gate.project_runs import ProjectRuns, project_runs_on, training_pipeline

from tidemill.access import Role
from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound
from tidemill.base.events import events_after
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.engine import Run
from tidemill.engine.environments import Environment
from tidemill.engine.testing import FakeEnvironments, Step
from tidemill.gate import (
    ApprovedPipeline,
    CheckState,
    PipelineReviewRequest,
    Policy,
    Review,
    ReviewState,
    approve,
    approved_pipeline,
    open_pipeline_review,
    reject,
    verify_audit,
)
from tidemill.gate.bound import bind_policies
from tidemill.gate.model import PipelineVersion
from tidemill.gate.pipeline_difference import pipeline_difference
from tidemill.gate.policy import BoundPolicy
from tidemill.pipelines import Component


def approved(site: Site, people: People, project: str = "fuel", environment: str = "production") -> Any:
    """What counts as approved there."""
    with site.database.read() as connection:
        return approved_pipeline(connection, site, people.owner.namespace_id, project, environment)


def ask(site: Site, people: People, run: Run, environment: str = "production", approvals: int = 1) -> Review:
    """A review of the pipeline version of a run, opened by the author."""
    request = PipelineReviewRequest(
        run_id=run.id, environment=environment, service="fuel", policy=Policy(approvals=approvals)
    )
    return open_pipeline_review(site, people.author, request)


def told(site: Site, people: People) -> list[dict[str, Any]]:
    """The events `pipeline.approved`, without what every event has."""
    with site.database.read() as connection:
        found = events_after(connection, namespace_id=people.owner.namespace_id, number=0, kinds=("pipeline.approved",))
    return [{"subject": event.subject_id, **event.data} for event in found]


def approve_model(site: Site, people: People, run: Run) -> Review:
    """A version of the run, approved by Ada."""
    version = add_version(site, people.author, run=run)
    return approve(site, people.approver, open_for(site, people.author, version).id, version.package_digest)


def test_who_approves_a_model_version_approves_the_pipeline_version_of_its_run(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    run = runs.run()
    assert approved(site, people) is None
    review = approve_model(site, people, run)
    found = approved(site, people)
    assert isinstance(found, ApprovedPipeline)
    assert (found.project, found.environment, found.spec_digest, found.run_id, found.review_id, found.approved_by) == (
        "fuel", "production", run.spec_digest, run.id, review.id, ("ada",)
    )  # fmt: skip
    assert found.approved_at == review.closed_at
    assert found.parameters == {"alpha": 0.5}, "where the data lies is no part of it"
    assert (found.version.locks, found.version.data) == ({"train": "sha256:fake"}, ("cars.csv",))
    assert approved(site, people, environment="staging") is None
    assert approved(site, people, project="other") is None
    (event,) = told(site, people)
    assert event["subject"] == review.id
    assert {name: event[name] for name in ("project", "environment", "spec_digest", "run_id")} == {
        "project": "fuel", "environment": "production", "spec_digest": run.spec_digest, "run_id": run.id
    }  # fmt: skip
    assert verify_audit(site, people.viewer) > 0


def test_the_same_pipeline_version_is_approved_once_and_another_takes_its_place(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    first = approve_model(site, people, runs.run())
    approve_model(site, people, runs.run(data=runs.data(b"a\n2\n")))
    assert (approved(site, people).review_id, len(told(site, people))) == (first.id, 1)
    second = approve_model(site, people, runs.run(training_pipeline("fit better")))
    assert (approved(site, people).review_id, len(told(site, people))) == (second.id, 2)
    third = approve_model(site, people, runs.run(training_pipeline("fit better"), alpha=9.0))
    assert approved(site, people).review_id == third.id
    assert approved(site, people).parameters == {"alpha": 9.0}


def test_a_run_of_no_project_or_of_another_than_the_services_approves_no_pipeline(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    assert approve_model(site, people, runs.run(project=None)).pipeline is None
    assert approve_model(site, people, runs.run(project="../other/production")).pipeline is None
    bound = {"production": BoundPolicy(policy=Policy(), source="project fuel, generation 1", project="fuel")}
    with site.database.write() as connection:
        bind_policies(connection, site, signing_key(site.home), people.author, "fuel", bound)
    stranger = runs.run(project="churn")
    assert approve_model(site, people, stranger).pipeline is None
    assert (approved(site, people), approved(site, people, "churn"), told(site, people)) == (None, None, [])
    with pytest.raises(InvalidInput, match="the service fuel of fuel"):
        ask(site, people, stranger)


def test_a_pipeline_version_is_asked_for_alone_and_nothing_goes_live(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    run = runs.run()
    review = ask(site, people, run)
    assert (review.state, review.checks_state, review.model_version_id) == (ReviewState.OPEN, CheckState.PASSED, None)
    assert [check.name for check in review.checks] == ["pipeline"]
    assert "no pipeline version was approved before" in review.checks[0].summary
    with pytest.raises(Conflict, match="is about the package"):
        approve(site, people.approver, review.id, run.spec_digest)
    done = approve(site, people.approver, review.id, review.package_digest)
    assert done.state is ReviewState.APPROVED
    assert approved(site, people).review_id == review.id
    with site.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM live_pointer")).scalar_one() == 0
    with pytest.raises(Conflict, match="approved for production already"):
        ask(site, people, run)
    assert ask(site, people, run, environment="staging").state is ReviewState.OPEN


@pytest.mark.parametrize("name", ["alan", "ALAN", "olga"])
def test_neither_the_author_of_the_run_nor_who_asks_approves_a_pipeline_version(
    site: Site, people: People, runs: ProjectRuns, name: str
) -> None:
    request = PipelineReviewRequest(run_id=runs.run().id, environment="production", service="fuel", policy=Policy())
    review = open_pipeline_review(site, people.owner, request)
    with pytest.raises(Forbidden, match="may not approve it"):
        approve(site, person(people.owner, name, Role.APPROVER), review.id, review.package_digest)
    assert approved(site, people) is None


def test_two_kinds_of_review_stand_beside_each_other_and_each_supersedes_its_own(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    run = runs.run()
    model = open_for(site, people.author, add_version(site, people.author, run=run))
    first, second = ask(site, people, run), ask(site, people, run)
    assert runs_of(site, people, model, first, second) == [
        ReviewState.OPEN, ReviewState.SUPERSEDED, ReviewState.OPEN
    ]  # fmt: skip
    reject(site, people.approver, second.id, "no")
    assert approved(site, people) is None


def runs_of(site: Site, people: People, *reviews: Review) -> list[ReviewState]:
    """The states of reviews now."""
    from tidemill.gate import get_review

    return [get_review(site, people.viewer, review.id).state for review in reviews]


def test_who_asks_sees_which_steps_parameters_and_locks_differ(site: Site, people: People, runs: ProjectRuns) -> None:
    approve_model(site, people, runs.run())
    changed = training_pipeline("fit\nwith care", more_steps=(Step(name="plot"),))
    review = ask(site, people, runs.run(changed, alpha=2.0))
    found = pipeline_difference(site, people.viewer, review.id)
    assert {step["step"]: step["change"] for step in found["steps"]} == {"train": "changed", "plot": "added"}
    lines = next(step["lines"] for step in found["steps"] if step["step"] == "train")
    assert "+with care" in lines
    assert found["parameters"] == {"alpha": [0.5, 2.0]}
    assert found["locks"] == {"plot": [None, "sha256:fake"]}
    assert found == review.checks[0].evidence["difference"]
    assert "train changed; plot added; alpha 0.5 → 2.0" in review.checks[0].summary


class _NoLocks(FakeEnvironments):
    """Environments of steps that name no requirements."""

    def prepare(self, component: Component) -> Environment:
        return replace(super().prepare(component), lock_digest=None)


def test_a_step_without_a_lock_fails_the_check(site: Site, people: People) -> None:
    with project_runs_on(site, people, _NoLocks()) as runs:
        review = ask(site, people, runs.run())
    assert review.checks_state is CheckState.FAILED
    assert "nothing says what train ran with" in review.checks[0].summary


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET state='SUCCEEDED', spec_digest=(SELECT max(digest) FROM pipeline_spec)",
        "UPDATE run SET parameters=replace(parameters, '0.5', '0.1')",
        "UPDATE run SET origin=replace(origin, 'fuel', 'churn')",
        "UPDATE run SET created_by='mallory'",
        "UPDATE task SET lock_digest='sha256:other' WHERE name='train'",
        "DELETE FROM task WHERE name='train'",
        "UPDATE pipeline_spec SET text=replace(text, 'fit', 'misfit')",
    ],
)
def test_a_run_whose_record_was_changed_is_no_pipeline_version(
    site: Site, people: People, runs: ProjectRuns, change: str
) -> None:
    run = runs.run()
    runs.run(training_pipeline("zz"))
    with site.database.write() as connection:
        connection.execute(text(change))
    with pytest.raises((Forbidden, InvalidInput)):
        ask(site, people, run)
    with pytest.raises((Forbidden, InvalidInput)):
        open_for(site, people.author, add_version(site, people.author, run=run))


def test_a_run_that_failed_or_does_not_exist_is_no_pipeline_version(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    runs.fails = True
    with pytest.raises(Conflict, match="FAILED"):
        ask(site, people, runs.run())
    with pytest.raises(NotFound):
        open_pipeline_review(
            site,
            people.author,
            PipelineReviewRequest(run_id="nothing", environment="production", service="fuel", policy=Policy()),
        )


def test_a_failed_run_does_not_become_one_that_succeeded(site: Site, people: People, runs: ProjectRuns) -> None:
    runs.fails = True
    run = runs.run()
    with site.database.write() as connection:
        connection.execute(text("UPDATE run SET state='SUCCEEDED'"))
        connection.execute(text("UPDATE task SET state='SUCCEEDED'"))
    with pytest.raises(Forbidden, match="was changed"):
        ask(site, people, run)


def test_an_ungated_environment_may_do_without_people(site: Site, people: People, runs: ProjectRuns) -> None:
    review = ask(site, people, runs.run(), environment="development", approvals=0)
    assert review.state is ReviewState.APPROVED
    assert approved(site, people, environment="development").approved_by == ()
    assert approved(site, people) is None


def test_what_departs_from_a_pipeline_version_is_said() -> None:
    def made(**change: Any) -> PipelineVersion:
        values: dict[str, Any] = {
            "project": "fuel",
            "spec_digest": "sha256:1",
            "run_id": "r",
            "author": "alan",
            "locks": {"a": "l1", "b": "l2"},
            "parameters": {"alpha": 1, "flag": True},
            "data": ("cars.csv",),
        }
        return PipelineVersion(**{**values, **change})

    assert made().departures(made(run_id="other", author="bob", locks={"a": "l1"})) == []
    assert made().departures(made(project="churn")) == ["it is of the project churn"]
    assert made().departures(made(spec_digest="sha256:2")) == ["its spec is another one"]
    assert made().departures(made(locks={"a": "l2"})) == ["another lock at a"]
    assert made().departures(made(locks={"c": "l1"})) == ["another lock at c"]
    assert made().departures(made(parameters={"alpha": 1, "flag": 1})) == ["other values of flag"]
    assert made().departures(made(parameters={"flag": True})) == ["other values of alpha"]
    assert made().departures(made(data=())) == ["it reads other data files"]
