"""A firing goes its whole way: approved pipeline, run, package, review with the real checks."""

from __future__ import annotations

import pytest
from tests.integration.gate.conftest import Story
from tests.integration.gate.test_from_run_to_live import POLICY, review_of

from tidemill.data import SiteDvc
from tidemill.engine import RunRequest, get_run, submit_run
from tidemill.gate import approve, approved_pipeline, get_review
from tidemill.triggers import (
    Action,
    Concurrency,
    FiringState,
    ModelOutputs,
    TriggerSpec,
    advance_firings,
    declare_triggers,
    fire,
    get_firing,
)

SERVICE = "by-itself"


def declare(story: Story, name: str, max_mae: float) -> None:
    action = Action(
        project=SERVICE,
        environment="production",
        service=SERVICE,
        model=ModelOutputs(name=SERVICE, output="train.model", sample="features.X_test"),
        policy={**POLICY.to_json(), "thresholds": [{"metric": "mae", "max": max_mae}]},
    )
    spec = TriggerSpec(name=name, kind="person", action=action, concurrency=Concurrency.ALLOW)
    with story.site.database.write() as connection:
        declare_triggers(connection, story.site, story.people.author, SERVICE, [spec], source="a test")


@pytest.fixture(scope="module")
def approved(story: Story) -> None:
    """People approve a model version, and its pipeline version with it."""
    request = RunRequest(pipeline=story.pipeline, parameters={"alpha": 2.5}, origin={"project": SERVICE})
    run = submit_run(story.site, story.people.author, request)
    story.worker.run_until_done(run.id)
    review = review_of(story, story.register(run), service=SERVICE)
    approve(story.site, story.people.approver, review.id, package_digest=review.package_digest)


@pytest.mark.usefixtures("approved")
@pytest.mark.parametrize(("max_mae", "state"), [(2.0, FiringState.AWAITING_APPROVAL), (0.001, FiringState.STOPPED)])
def test_a_firing_ends_with_what_the_real_checks_say(story: Story, max_mae: float, state: FiringState) -> None:
    declare(story, "now", max_mae)
    dvc = SiteDvc(story.site.home.path / "no.sock", {}, 0o077)
    made = fire(story.site, story.people.author, f"{SERVICE}.now", approved_pipeline, key=None)
    assert made.state is FiringState.WAITING
    advance_firings(story.site, approved_pipeline, dvc)
    story.worker.run_until_done(made.run_id or "")
    for _ in range(2):
        advance_firings(story.site, approved_pipeline, dvc)
    firing = get_firing(story.site, story.people.viewer, made.id)
    assert (firing.state, firing.model_version is not None) == (state, True), firing.reason
    review = get_review(story.site, story.people.viewer, firing.review_id or "")
    assert (review.service, review.opened_by, review.version_label) == (SERVICE, "alan", firing.model_version)
    run = get_run(story.site, story.people.viewer, firing.run_id or "")
    assert (run.origin["firing"], run.parameters["alpha"]) == (firing.id, 2.5)
    if state is FiringState.STOPPED:
        assert (firing.reason or "").startswith("stopped by the check threshold: mae ")
