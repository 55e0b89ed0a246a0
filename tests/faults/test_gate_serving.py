"""What serving asks for before it loads a model: only what the gate proves, whatever stands in the rows."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from tests.conftest import People
from tests.unit.gate.candidates import add_version, make_tables, open_for

from tidemill.artifacts import Content, ContentKind, CorruptArtifact, ingest, materialize
from tidemill.base.errors import Forbidden
from tidemill.base.site import Site
from tidemill.cli import doctor
from tidemill.gate import approve, rollback
from tidemill.registry import ModelVersion
from tidemill.serving import find
from tidemill.serving.model import Reason, Service, ServiceSpec
from tidemill.serving.source import MODEL_JSON, NotProven, Proven, RegistrySource


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


def test_doctor_looks_at_every_live_pointer(
    site: Site, people: People, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(site, people)
    monkeypatch.setattr(find, "every_service", lambda _: [service])
    platform: Any = SimpleNamespace(site=site)
    assert ("approvals", doctor._approvals) in doctor._LOOKS
    found = doctor._approvals(platform)
    assert (found.is_good, found.detail) == (True, "1 live and proven")
    with site.database.write() as connection:
        connection.execute(text("UPDATE live_pointer SET generation=generation+7"))
    found = doctor._approvals(platform)
    assert not found.is_good
    assert found.detail == "live pointer of fuel in production: the pointer and its last signed move differ"
    assert "restore it from a backup" in found.remedy


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE model_version SET package_digest='sha256:0' WHERE id=:first",
        "UPDATE model_version SET id='aside' WHERE id=:first",
        "UPDATE approval SET approver='mallory'",
        "UPDATE approval SET envelope='{}'",
        "UPDATE review SET decision=NULL",
        "UPDATE review SET model_version_id=:second WHERE model_version_id=:first",
        "UPDATE review SET service='other'",
        "UPDATE review SET state='open'",
    ],
)
def test_a_version_whose_rows_were_changed_is_not_kept_warm(
    site: Site, people: People, service: Service, statement: str
) -> None:
    ids = {"first": promote(site, people).id, "second": promote(site, people).id}
    source = RegistrySource(site)
    assert source.proven(service, ids["first"]).model_version_id == ids["first"]
    with site.database.write() as connection:
        used = {name: value for name, value in ids.items() if f":{name}" in statement}
        assert connection.execute(text(statement), used).rowcount > 0
    with pytest.raises(NotProven):
        source.proven(service, ids["first"])


def test_a_version_that_was_never_approved_is_not_kept_warm(site: Site, people: People, service: Service) -> None:
    promote(site, people)
    with pytest.raises(NotProven, match="no approved review"):
        RegistrySource(site).proven(service, add_version(site, people.author).id)


def text_of(name: str) -> str:
    """The `model.json` of a package."""
    return json.dumps({"name": name})


@pytest.fixture
def packages(site: Site, people: People) -> tuple[Proven, ModelVersion, Path]:
    """A proven version with its package unpacked, and another version with another package."""
    folders = [site.home.work / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / MODEL_JSON).write_text(text_of(folder.name))
    digests = [ingest(site, folder).digest for folder in folders]
    versions = [add_version(site, people.author) for _ in digests]
    with site.database.write() as connection:
        for version, digest in zip(versions, digests, strict=True):
            given = {"d": digest, "id": version.id}
            connection.execute(text("UPDATE model_version SET package_digest=:d WHERE id=:id"), given)
    proven = Proven(namespace_id=versions[0].namespace_id, model_version_id=versions[0].id, package_digest=digests[0])
    target = site.home.work / "unpacked"
    materialize(site, Content(digest=digests[0], size_bytes=0, kind=ContentKind.TREE), target)
    return proven, versions[1], target


def test_the_package_is_that_of_the_proof_whatever_the_row_names(
    site: Site, service: Service, packages: tuple[Proven, ModelVersion, Path]
) -> None:
    proven, other, _ = packages
    with site.database.write() as connection:
        change = "UPDATE model_version SET package_digest=(SELECT package_digest FROM model_version WHERE id=:other)"
        connection.execute(text(change), {"other": other.id})
    assert RegistrySource(site).document(proven) == {"name": "one"}


def test_a_blob_that_was_swapped_is_refused(
    site: Site, service: Service, packages: tuple[Proven, ModelVersion, Path]
) -> None:
    proven, _, _ = packages
    one, two = (
        next(path for path in site.home.blobs.rglob("*") if path.is_file() and path.read_text() == text_of(name))
        for name in ("one", "two")
    )
    one.chmod(0o600)
    one.write_bytes(two.read_bytes())
    with pytest.raises(CorruptArtifact):
        RegistrySource(site).document(proven)


def test_an_unpacked_package_that_was_written_to_is_seen(
    site: Site, service: Service, packages: tuple[Proven, ModelVersion, Path]
) -> None:
    proven, _, folder = packages
    source = RegistrySource(site)
    assert source.is_intact(proven, folder)
    (folder / MODEL_JSON).write_text("{}")
    assert not source.is_intact(proven, folder)
    (folder / MODEL_JSON).unlink()
    assert not source.is_intact(proven, folder)
