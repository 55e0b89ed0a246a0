"""Who decided a review, as the signatures prove it, and what is said when they do not."""

from __future__ import annotations

import pytest
from sqlalchemy import text, update
from tests.conftest import People
from tests.unit.gate.candidates import open_for
from tests.unit.gate.project_runs import ProjectRuns
from tests.unit.gate.test_automatic import AUTOMATIC, approve_pipeline

from tidemill.base.errors import Conflict, NotFound
from tidemill.base.site import Site
from tidemill.gate import Review, approve
from tidemill.gate.store import review_rows
from tidemill.gate.tell_decision import tell_decision


@pytest.fixture
def by_itself(site: Site, people: People, runs: ProjectRuns) -> tuple[Review, Review]:
    """The review of a pipeline version that Ada approved, and one that passed by it."""
    behind = approve_pipeline(site, people, runs.run())
    version = runs.register(runs.run(data=runs.data(b"a\n7\n")))
    return behind, open_for(site, people.author, version, policy=AUTOMATIC)


def test_one_that_passed_by_itself_names_the_pipeline_version_and_who_approved_that(
    site: Site, people: People, by_itself: tuple[Review, Review]
) -> None:
    behind, review = by_itself
    told = tell_decision(site, people.viewer, review.id)
    assert (told.is_automatic, told.people, told.problem, told.at) == (True, (), None, review.closed_at)
    assert told.behind is not None
    assert behind.pipeline is not None
    found = told.behind
    assert (found.review_id, found.run_id, found.project) == (behind.id, behind.pipeline.run_id, "fuel")
    assert (found.approved_by, found.approved_at) == (("ada",), behind.closed_at)
    by_people = tell_decision(site, people.viewer, behind.id)
    assert (by_people.is_automatic, by_people.people, by_people.behind) == (False, ("ada",), None)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE approval SET approver='eve'",
        "UPDATE review SET automatic=NULL WHERE subject='model'",
        "UPDATE review SET decision=NULL WHERE subject='model'",
        "UPDATE review SET closed_at='2020-01-01 00:00:00' WHERE subject='model'",
        "UPDATE review SET policy_digest='sha256:0'",
        "DELETE FROM approval",
    ],
)
def test_nobody_is_named_when_a_row_is_not_what_was_signed(
    site: Site, people: People, by_itself: tuple[Review, Review], change: str
) -> None:
    with site.database.write() as connection:
        assert connection.execute(text(change)).rowcount > 0
    told = tell_decision(site, people.viewer, by_itself[1].id)
    assert (told.people, told.behind) == ((), None)
    assert told.problem


def test_nobody_is_named_when_somebody_else_is_written_there(
    site: Site, people: People, by_itself: tuple[Review, Review]
) -> None:
    review = by_itself[1]
    assert review.automatic is not None
    forged = {**review.automatic.to_json(), "approved_by": ["eve"]}
    with site.database.write() as connection:
        connection.execute(update(review_rows).where(review_rows.c.id == review.id).values(automatic=forged))
    told = tell_decision(site, people.viewer, review.id)
    assert ((told.people, told.behind), bool(told.problem)) == (((), None), True)


def test_only_what_passed_was_decided(site: Site, people: People, runs: ProjectRuns) -> None:
    review = open_for(site, people.author, runs.register(runs.run()), policy=AUTOMATIC)
    with pytest.raises(Conflict, match="nobody has let it pass"):
        tell_decision(site, people.viewer, review.id)
    with pytest.raises(NotFound):
        tell_decision(site, people.viewer, "unknown")
    approve(site, people.approver, review.id, review.package_digest)
    assert tell_decision(site, people.viewer, review.id).people == ("ada",)
