"""Rows changed behind the gate's back: nothing goes live by itself, or stays so, that people did not allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text
from tests.conftest import People
from tests.unit.gate.candidates import FAILING, open_for
from tests.unit.gate.project_runs import ProjectRuns, project_runs_on, training_pipeline
from tests.unit.gate.test_automatic import AUTOMATIC, approve_pipeline

from tidemill.base.errors import Forbidden, TidemillError
from tidemill.base.site import Site
from tidemill.engine import Run
from tidemill.gate import (
    Review,
    ReviewState,
    approve,
    get_review,
    run_pending_checks,
    verify_approval,
    verify_live,
)
from tidemill.gate.evidence import evidence_files

OTHER = "sha256:" + "e" * 64


@pytest.fixture
def runs(site: Site, people: People) -> Iterator[ProjectRuns]:
    """Runs by a worker without processes."""
    with project_runs_on(site, people) as made:
        yield made


def sql(site: Site, statement: str) -> None:
    """Write to the database as somebody would who has got hold of it; it must change something."""
    for one in statement.split("; "):
        with site.database.write() as connection:
            assert connection.execute(text(one)).rowcount > 0, one


def is_approved(site: Site, review: Review) -> bool:
    """Whether the review's version counts as approved."""
    try:
        verify_approval(
            site, review.namespace_id, review.model_version_id or "", environment="production", service="fuel"
        )
    except Forbidden:
        return False
    return True


def passed(site: Site, people: People, runs: ProjectRuns, run: Run) -> Review | None:
    """The review of a version of the run when it passed by itself, None when it was refused or left to people."""
    try:
        review = open_for(site, people.author, runs.register(run), policy=AUTOMATIC)
    except TidemillError:
        return None
    return review if review.state is ReviewState.APPROVED else None


AFTERWARDS = {
    "the site's word": "UPDATE review SET automatic=NULL WHERE subject='model'",
    "no decision": "UPDATE review SET decision=NULL WHERE subject='model'",
    "another approver of the pipeline": "UPDATE review SET automatic=replace(automatic, 'ada', 'eve')",
    "another pipeline review": "UPDATE review SET automatic=json_set(automatic, '$.pipeline_review_id', id) "
    "WHERE subject='model'",
    "another package": f"UPDATE model_version SET package_digest='{OTHER}'; "
    f"UPDATE review SET package_digest='{OTHER}' WHERE subject='model'",
    "another metric": """UPDATE model_version SET metrics='{"mae": 0}'""",
    "the approval of the pipeline": "DELETE FROM approval",
    "the review of the pipeline": "DELETE FROM review WHERE subject='pipeline'",
    "the decision on the pipeline": "UPDATE review SET decision=NULL WHERE subject='pipeline'",
    "another parameter in the pipeline": "UPDATE review SET pipeline=json_set(pipeline, '$.parameters.alpha', 9)",
    "another policy in both": "UPDATE review SET policy=json_set(policy, '$.smoke.timeout_seconds', 9)",
    "a check that failed": "UPDATE review_check SET state='failed'",
    "an open pipeline review": "UPDATE review SET state='open' WHERE subject='pipeline'",
}


@pytest.mark.parametrize("change", AFTERWARDS)
def test_a_changed_row_takes_the_approval_away(site: Site, people: People, runs: ProjectRuns, change: str) -> None:
    approve_pipeline(site, people, runs.run())
    review = passed(site, people, runs, runs.run(data=runs.data(b"a\n7\n")))
    assert review is not None
    assert is_approved(site, review)
    sql(site, AFTERWARDS[change])
    assert not is_approved(site, review)
    with pytest.raises(Forbidden):
        verify_live(site, review.namespace_id, environment="production", service="fuel")
    with pytest.raises(Forbidden):
        evidence_files(site, people.viewer, review.id)


EXPERIMENT = training_pipeline("another")
BEFORE = {
    "the approved spec in the run": "UPDATE run SET spec_digest=(SELECT spec_digest FROM run ORDER BY id LIMIT 1)",
    "the approved parameters": "UPDATE run SET parameters=json_set(parameters, '$.alpha', 0.5)",
    "the approved spec and parameters": "UPDATE run SET spec_digest=(SELECT spec_digest FROM run ORDER BY id LIMIT 1), "
    "parameters=json_set(parameters, '$.alpha', 0.5)",
    "its tasks in the approved run": "DELETE FROM task WHERE run_id=(SELECT min(id) FROM run); "
    "UPDATE task SET run_id=(SELECT min(id) FROM run)",
    "the approved spec's text": f"UPDATE pipeline_spec SET text=(SELECT text FROM pipeline_spec p WHERE p.digest="
    f"(SELECT spec_digest FROM run ORDER BY id LIMIT 1)) WHERE digest='{EXPERIMENT.digest}'",
    "an approved pipeline that says so": "UPDATE review SET pipeline=json_set(pipeline, '$.spec_digest', "
    f"'{EXPERIMENT.digest}'), policy_digest=policy_digest",
    "another approved review": f"UPDATE audit SET data=json_set(data, '$.spec_digest', '{EXPERIMENT.digest}') "
    "WHERE kind='pipeline.approved'",
}


@pytest.mark.parametrize("change", BEFORE)
def test_an_experiment_does_not_become_a_run_of_the_approved_pipeline_version(
    site: Site, people: People, runs: ProjectRuns, change: str
) -> None:
    approve_pipeline(site, people, runs.run())
    run = runs.run(EXPERIMENT, alpha=0.9)
    sql(site, BEFORE[change])
    assert passed(site, people, runs, run) is None
    assert verify_live(site, people.owner.namespace_id, environment="production", service="fuel") is None


SWAPS = {
    "the bytes of the model": "UPDATE artifact SET digest=(SELECT digest FROM artifact WHERE name='cars.csv' LIMIT 1) "
    "WHERE type='system.Model'",
    "which artifact the model is": "UPDATE task SET output_artifacts=json_set(output_artifacts, '$.model', "
    "json_array((SELECT id FROM artifact WHERE name='cars.csv' LIMIT 1))) WHERE name='train'",
    "who made it": "UPDATE run SET created_by='mallory'",
    "what data it read": "UPDATE artifact SET metadata=json_set(metadata, '$.data_version', 'md5:approved')",
    "a lock": f"UPDATE task SET lock_digest='{OTHER}' WHERE name='train'",
    "a step that is gone": "DELETE FROM task WHERE name='import-cars'",
    "a metric of the run": """UPDATE artifact SET metadata='{"mae": 0}' WHERE type='system.Model'""",
}


@pytest.mark.parametrize("change", SWAPS)
def test_what_a_run_made_cannot_be_exchanged(site: Site, people: People, runs: ProjectRuns, change: str) -> None:
    approve_pipeline(site, people, runs.run())
    run = runs.run(data=runs.data(b"a\n7\n"))
    sql(site, SWAPS[change])
    assert passed(site, people, runs, run) is None


def test_a_version_that_was_changed_after_it_was_registered_does_not_pass(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    approve_pipeline(site, people, runs.run())
    version = runs.register(runs.run(data=runs.data(b"a\n7\n")))
    sql(site, f"UPDATE model_version SET package_digest='{OTHER}'")
    review = open_for(site, people.author, version, policy=AUTOMATIC)
    assert review.state is ReviewState.OPEN
    assert review.automatic is not None
    assert "is not what was registered" in review.automatic.reasons[0]


def test_an_approval_of_people_is_none_of_the_site(site: Site, people: People, runs: ProjectRuns) -> None:
    """What people approved without the word automatic in their policy lets nothing pass, whatever rows say."""
    approve_pipeline(site, people, runs.run(), replace(AUTOMATIC, automatic=False))
    review = open_for(site, people.author, runs.register(runs.run()), policy=replace(AUTOMATIC, automatic=False))
    approve(site, people.approver, review.id, review.package_digest)
    assert is_approved(site, review)
    sql(site, "DELETE FROM approval WHERE review_id=(SELECT id FROM review WHERE subject='model')")
    sql(
        site,
        "UPDATE review SET automatic=json_object('schema_version', 1, 'passed', json('true'), 'reasons', json('[]'), "
        "'pipeline_review_id', (SELECT id FROM review WHERE subject='pipeline'), 'approved_by', json('[\"ada\"]')) "
        "WHERE subject='model'",
    )
    assert not is_approved(site, review)


FORGED = {
    "what a check found": "UPDATE review_check SET state='passed', summary='fine' WHERE state='failed'",
    "what it found, and when": "UPDATE review_check SET state='passed', summary='fine', finished_at=created_at, "
    "evidence='{}' WHERE state='failed'",
    "another review's result": "UPDATE review_check SET state='passed', seal=(SELECT seal FROM review_check c JOIN "
    "review r ON r.id=c.review_id WHERE r.subject='pipeline'), summary=(SELECT summary FROM review_check c JOIN review "
    "r ON r.id=c.review_id WHERE r.subject='pipeline') WHERE state='failed'",
    "another check's result": "UPDATE review_check SET state='passed', seal=(SELECT seal FROM review_check c WHERE "
    "c.name='challenger'), summary=(SELECT summary FROM review_check c WHERE c.name='challenger'), "
    "evidence=(SELECT evidence FROM review_check c WHERE c.name='challenger') WHERE state='failed'",
    "which policy it was checked by": "UPDATE review_check SET state='passed', summary='smoke passed' "
    "WHERE state='failed'; UPDATE review SET policy_digest=(SELECT policy_digest FROM review WHERE subject='pipeline')",
}
AGAIN = "UPDATE review SET automatic=NULL, awaits_site=1 WHERE subject='model'"


@pytest.mark.parametrize("change", FORGED)
def test_a_check_that_failed_is_not_made_to_have_passed(
    site: Site, people: People, runs: ProjectRuns, change: str
) -> None:
    approve_pipeline(site, people, runs.run())
    version = runs.register(runs.run(data=runs.data(b"a\n7\n")))
    review = open_for(site, people.author, version, policy=AUTOMATIC, checks=FAILING)
    assert review.state is ReviewState.OPEN
    sql(site, f"{FORGED[change]}; {AGAIN}")
    run_pending_checks(site)
    now = get_review(site, people.viewer, review.id)
    assert now.state is ReviewState.OPEN, "the site let it pass"
    assert now.automatic is not None
    assert "is not what the site found" in "; ".join(now.automatic.reasons)
    with pytest.raises(Forbidden, match="is not what the site found"):
        approve(site, people.approver, review.id, review.package_digest)
    assert verify_live(site, review.namespace_id, environment="production", service="fuel") is None
