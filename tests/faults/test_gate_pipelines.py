"""Rows changed behind the gate's back: no pipeline version counts as approved that people did not approve."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text
from tests.conftest import People
from tests.unit.gate.candidates import add_version, open_for
from tests.unit.gate.project_runs import ProjectRuns, project_runs_on, training_pipeline

from tidemill.base.errors import TidemillError
from tidemill.base.site import Site
from tidemill.gate import approve, approved_pipeline

OTHER = "sha256:" + "e" * 64


@pytest.fixture
def runs(site: Site, people: People) -> Iterator[ProjectRuns]:
    """Runs by a worker without processes."""
    with project_runs_on(site, people) as made:
        yield made


def approved(site: Site, people: People, project: str = "fuel") -> str | None:
    """The spec digest that counts as approved in production; None also when nothing proves."""
    try:
        with site.database.read() as connection:
            found = approved_pipeline(connection, site, people.owner.namespace_id, project, "production")
    except TidemillError:
        return None
    return None if found is None else found.spec_digest


def sql(site: Site, statement: str, **values: object) -> None:
    """Write to the database as somebody would who has got hold of it; it must change something."""
    with site.database.write() as connection:
        assert connection.execute(text(statement), values).rowcount > 0


def approve_one(site: Site, people: People, runs: ProjectRuns, code: str) -> str:
    """One more pipeline version, approved with a model version; its spec digest."""
    run = runs.run(training_pipeline(code))
    version = add_version(site, people.author, run=run)
    approve(site, people.approver, open_for(site, people.author, version).id, version.package_digest)
    assert approved(site, people) == run.spec_digest
    return run.spec_digest


CHANGES = {
    "another spec": f"""UPDATE review SET pipeline=json_set(pipeline, '$.spec_digest', '{OTHER}')""",
    "another spec in review and version": f"UPDATE review SET pipeline=json_set(pipeline, '$.spec_digest', '{OTHER}'); "
    f"UPDATE model_version SET spec_digest='{OTHER}'",
    "another project": "UPDATE review SET pipeline=json_set(pipeline, '$.project', 'churn')",
    "another lock": f"UPDATE review SET pipeline=json_set(pipeline, '$.locks.train', '{OTHER}')",
    "another parameter": "UPDATE review SET pipeline=json_set(pipeline, '$.parameters.alpha', 99)",
    "another run": "UPDATE review SET pipeline=json_set(pipeline, '$.run_id', 'mine')",
    "another author": "UPDATE review SET pipeline=json_set(pipeline, '$.author', 'ada')",
    "no pipeline": "UPDATE review SET pipeline=NULL",
    "something that is none": "UPDATE review SET pipeline='{}'",
    "another environment": "UPDATE review SET environment='staging'",
    "no approval": "DELETE FROM approval",
    "no decision": "UPDATE review SET decision=NULL",
    "no review": "DELETE FROM review",
    "no head": "DELETE FROM audit_head",
    "an open review": "UPDATE review SET state='open'",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_row_approves_no_pipeline(site: Site, people: People, runs: ProjectRuns, change: str) -> None:
    approve_one(site, people, runs, "fit")
    for statement in CHANGES[change].split("; "):
        sql(site, statement)
    assert approved(site, people) is None
    assert approved(site, people, "churn") is None


def test_whoever_removes_the_newest_approval_does_not_bring_an_earlier_one_back(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    first, second = approve_one(site, people, runs, "fit"), approve_one(site, people, runs, "fit better")
    with site.database.read() as connection:
        newest = connection.execute(text("SELECT max(id) FROM review")).scalar_one()
    for table, column in (("review_check", "review_id"), ("approval", "review_id"), ("review", "id")):
        sql(site, f"DELETE FROM {table} WHERE {column}=:r", r=newest)
    assert approved(site, people) is None
    assert approve_one(site, people, runs, "fit again") not in (first, second), "people can approve one again"


def test_an_approval_of_one_namespace_is_none_in_another(site: Site, people: People, runs: ProjectRuns) -> None:
    approve_one(site, people, runs, "fit")
    for table in ("review", "review_check", "approval", "model_version", "audit", "audit_head"):
        sql(site, f"UPDATE {table} SET namespace_id='elsewhere'")
    elsewhere = replace(people, owner=replace(people.owner, namespace_id="elsewhere"))
    assert approved(site, elsewhere) is None


def test_a_head_of_the_chain_that_somebody_wrote_approves_nothing(
    site: Site, people: People, runs: ProjectRuns
) -> None:
    approve_one(site, people, runs, "fit")
    with site.database.read() as connection:
        envelope = json.loads(connection.execute(text("SELECT envelope FROM audit_head")).scalar_one())
    sql(site, "UPDATE audit_head SET envelope=:e", e=json.dumps({**envelope, "payload": envelope["payload"][:-8]}))
    assert approved(site, people) is None
