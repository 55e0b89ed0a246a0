"""What serving asks for before it loads a model: only what the gate proves, whatever stands in the rows."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from tests.conftest import People
from tests.unit.gate.candidates import add_version, make_tables, open_for

from tidemill.base.errors import Forbidden
from tidemill.base.site import Site
from tidemill.gate import approve, rollback
from tidemill.registry import ModelVersion
from tidemill.serving.model import Reason, Service, ServiceSpec
from tidemill.serving.source import RegistrySource


@pytest.fixture
def service(site: Site, people: People) -> Service:
    """A service in production, and two versions that were approved for it."""
    make_tables(site)
    now = site.clock.now()
    return Service(
        id=site.ids.new(),
        namespace_id=people.owner.namespace_id,
        namespace="default",
        spec=ServiceSpec(name="fuel"),
        generation=1,
        observed_generation=0,
        ready=False,
        reason=Reason.AWAITING_APPROVAL,
        message="",
        deleting=False,
        created_by="alan",
        created_at=now,
        updated_at=now,
    )


def promote(site: Site, people: People) -> ModelVersion:
    """One more approved version."""
    version = add_version(site, people.author)
    approve(site, people.approver, open_for(site, people.author, version).id, version.package_digest)
    return version


def test_serving_follows_the_gate(site: Site, people: People, service: Service) -> None:
    source = RegistrySource(site)
    assert source.wanted(service) is None
    for label in ("fuel@1", "fuel@2"):
        promote(site, people)
        wanted = source.wanted(service)
        assert wanted is not None
        assert wanted.label == label
    rollback(site, people.owner, environment="production", service="fuel")
    wanted = source.wanted(service)
    assert wanted is not None
    assert (wanted.label, wanted.generation) == ("fuel@1", 3)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE live_pointer SET model_version_id=:unapproved",
        "UPDATE live_pointer SET model_version_id=:first, generation=1",
        "UPDATE live_pointer SET model_version_id=:first",
        "DELETE FROM live_pointer",
        "UPDATE model_version SET package_digest='sha256:0' WHERE id=:second",
        "UPDATE model_version SET lock_digest='sha256:0' WHERE id=:second",
        "UPDATE approval SET approver='mallory'",
        "DELETE FROM approval",
        "UPDATE review SET decision=NULL",
    ],
)
def test_a_row_that_was_changed_behind_the_gate_gets_no_traffic(
    site: Site, people: People, service: Service, statement: str
) -> None:
    ids = {"first": promote(site, people).id, "second": promote(site, people).id}
    ids["unapproved"] = add_version(site, people.author).id
    with site.database.write() as connection:
        used = {name: value for name, value in ids.items() if f":{name}" in statement}
        assert connection.execute(text(statement), used).rowcount > 0
    with pytest.raises(Forbidden):
        RegistrySource(site).wanted(service)
