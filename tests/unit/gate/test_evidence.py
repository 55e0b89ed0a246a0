"""The evidence pack can be checked without Tidemill, and shows nothing as markup that is not ours."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.conftest import People
from tests.unit.gate.candidates import FAILING, PASSING, add_version, make_tables, open_for, person
from tests.unit.gate.project_runs import ProjectRuns, training_pipeline

from tidemill.access import Role
from tidemill.base.canonical import canonical_json
from tidemill.base.errors import Conflict, Forbidden, InvalidInput
from tidemill.base.signing import read_public_key, verified_payload, verified_statement
from tidemill.base.site import Site
from tidemill.gate import (
    PipelineReviewRequest,
    Policy,
    approve,
    evidence_pack,
    open_pipeline_review,
    reject,
    trace_decision,
)
from tidemill.gate.evidence import evidence_files
from tidemill.gate.model import CheckResult, CheckState

NASTY = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


@pytest.fixture
def folder(site: Site, people: People, tmp_path: Path) -> Path:
    """The pack of an approved review."""
    make_tables(site)
    version = add_version(site, people.author)
    review = open_for(site, people.author, version, approvals=2)
    approve(site, people.approver, review.id, version.package_digest)
    approve(site, person(people.owner, "bob", Role.APPROVER), review.id, version.package_digest)
    target = tmp_path / "evidence"
    files = evidence_pack(site, people.viewer, review.id, target)
    assert sorted(path.name for path in files) == sorted(path.name for path in target.iterdir())
    return target


def test_the_pack_says_who_approved_what_and_is_signed(folder: Path) -> None:
    key = read_public_key((folder / "public-key.pem").read_bytes())
    envelope = json.loads((folder / "review.dsse.json").read_bytes())
    document = json.loads((folder / "review.json").read_bytes())
    assert verified_payload(key, envelope, place="pack") == (folder / "review.json").read_bytes()
    assert canonical_json(document) == (folder / "review.json").read_bytes()
    assert document["review"]["state"] == "approved"
    assert [approval["approver"] for approval in document["approvals"]] == ["ada", "bob"]
    assert document["model_version"]["code_commit"] == "c0ffee"
    assert document["pointer_moves"][0]["kind"] == "promoted"
    page = (folder / "review.html").read_bytes()
    assert document["files"]["review.html"] == "sha256:" + hashlib.sha256(page).hexdigest()
    for approval in document["approvals"]:
        signed = verified_statement(key, approval["envelope"], place="approval")
        assert signed["predicate"]["checks_digest"] == document["checks_digest"]
        assert signed["predicate"]["policy_digest"] == document["policy_digest"]
        digest = document["model_version"]["model_version"]["package_digest"]
        assert "sha256:" + signed["subject"][0]["digest"]["sha256"] == digest


@pytest.mark.skipif(shutil.which("openssl") is None, reason="this machine has no openssl to check with")
def test_the_written_commands_verify_it_with_openssl_alone(folder: Path) -> None:
    lines = [line.strip() for line in (folder / "VERIFY.txt").read_text().splitlines()]
    commands = [line for line in lines if line.startswith(("openssl", "tail", "sha256sum", "grep"))]
    assert len([line for line in commands if "dgst" in line]) == 4
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S602  # the documented line
        assert done.returncode == 0, (command, done.stderr)
        if "dgst" in command:
            assert done.stdout.strip() == "Verified OK"
        if "grep" in command:
            assert done.stdout.strip() == "1"
        if "pkey" in command:
            assert done.stdout.split()[0] in lines
    pae = folder / "approval-1.pae"
    pae.write_bytes(pae.read_bytes().replace(b'"ada"', b'"eve"'))
    for about in ("dgst", "approver"):
        command = next(line for line in commands if "approval-1" in line and about in line)
        done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S602  # the documented line
        assert done.returncode != 0


FORGERIES = {
    "another approver": "UPDATE approval SET approver = 'eve'",
    "a better metric": "UPDATE model_version SET metrics = '{\"mae\": 0.0}'",
    "another result": "UPDATE review_check SET summary = 'all is well'",
    "another time": "UPDATE review SET closed_at = '2031-01-01 00:00:00.000000'",
    "no decision": "UPDATE review SET decision = NULL",
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
def test_nothing_is_signed_or_shown_as_fact_that_the_rows_merely_claim(site: Site, people: People, forged: str) -> None:
    make_tables(site)
    version = add_version(site, people.author)
    review = open_for(site, people.author, version)
    approve(site, people.approver, review.id, version.package_digest)
    assert trace_decision(site, people.viewer, version.label)["reviews"][0]["problem"] is None
    assert "decision.sig" in evidence_files(site, people.viewer, review.id)
    with site.database.write() as connection:
        connection.execute(text(forged))
    with pytest.raises(Forbidden):
        evidence_files(site, people.viewer, review.id)
    assert trace_decision(site, people.viewer, version.label)["reviews"][0]["problem"]


def test_a_review_that_nobody_approved_cannot_be_given_another_ones_approval(site: Site, people: People) -> None:
    make_tables(site)
    first, second = add_version(site, people.author), add_version(site, people.author)
    approved = open_for(site, people.author, first)
    approve(site, people.approver, approved.id, first.package_digest)
    other = open_for(site, people.author, second)
    with site.database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO approval SELECT * FROM (SELECT 'x' AS id, namespace_id, :other, approver, approver_key,"
                " :digest, checks_digest, policy_digest, envelope, created_by, created_at FROM approval) AS forged"
            ),
            {"other": other.id, "digest": second.package_digest},
        )
        connection.execute(
            text(
                "UPDATE review SET state = 'approved', decision = (SELECT decision FROM review WHERE id = :first)"
                " WHERE id = :other"
            ),
            {"first": approved.id, "other": other.id},
        )
    with pytest.raises(Forbidden):
        evidence_files(site, people.viewer, other.id)


def test_a_changed_document_is_not_what_was_signed(folder: Path) -> None:
    key = read_public_key((folder / "public-key.pem").read_bytes())
    envelope = json.loads((folder / "review.dsse.json").read_bytes())
    envelope["payloadType"] = "text/plain"
    with pytest.raises(Forbidden):
        verified_payload(key, envelope, place="pack")


class Tags(HTMLParser):
    """The tags of a page and the addresses that it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_page_escapes_everything_and_loads_nothing(site: Site, people: People) -> None:
    class Nasty:
        name = "smoke"

        def run(self, context: object) -> CheckResult:
            return CheckResult(state=CheckState.PASSED, summary=NASTY, evidence={NASTY: NASTY})

    make_tables(site)
    version = add_version(site, person(people.author, NASTY, Role.CONTRIBUTOR))
    review = open_for(site, people.author, version, checks={**PASSING, "smoke": Nasty()})
    reject(site, people.approver, review.id, NASTY)
    page = evidence_files(site, people.viewer, review.id)["review.html"].decode()
    parser = Tags()
    parser.feed(page)
    assert not parser.tags & {"script", "img", "link", "iframe", "a", "form", "object"}
    assert not {name for name in parser.attributes if name.startswith("on")} | parser.attributes & {"src", "href"}
    assert NASTY not in page
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page


def test_a_failed_review_has_evidence_too_and_a_pending_one_has_none_yet(site: Site, people: People) -> None:
    make_tables(site)
    review = open_for(site, people.author, add_version(site, people.author), checks=FAILING)
    assert json.loads(evidence_files(site, people.viewer, review.id)["review.json"])["checks"][1]["state"] == "failed"

    class Cut:
        name = "smoke"

        def run(self, context: object) -> CheckResult:
            return CheckResult(state=CheckState.PENDING, summary="later", evidence={})

    waiting = open_for(site, people.author, add_version(site, people.author), checks={**PASSING, "smoke": Cut()})
    with pytest.raises(Conflict):
        evidence_files(site, people.viewer, waiting.id)


def test_a_folder_that_is_a_file_is_named(site: Site, people: People, tmp_path: Path) -> None:
    make_tables(site)
    review = open_for(site, people.author, add_version(site, people.author))
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput) as caught:
        evidence_pack(site, people.viewer, review.id, tmp_path / "file")
    assert caught.value.place == str(tmp_path / "file")


def test_the_pack_of_a_pipeline_version_alone_is_checked_like_any_other(
    site: Site, people: People, runs: ProjectRuns, tmp_path: Path
) -> None:
    run = runs.run(training_pipeline(NASTY.replace("/", "")))
    request = PipelineReviewRequest(run_id=run.id, environment="production", service="fuel", policy=Policy())
    review = open_pipeline_review(site, people.author, request)
    approve(site, people.approver, review.id, review.package_digest)
    evidence_pack(site, people.viewer, review.id, tmp_path)
    document = json.loads((tmp_path / "review.json").read_bytes())
    assert document["model_version"] is None
    assert document["pipeline"]["spec_digest"] == run.spec_digest
    key = read_public_key((tmp_path / "public-key.pem").read_bytes())
    signed = verified_statement(key, document["approvals"][0]["envelope"], place="approval")["predicate"]
    assert (signed["about"], signed["project"]) == ("pipeline", "fuel")
    assert signed["pipeline_digest"] == document["pipeline"]["pipeline_digest"] == review.package_digest
    page = (tmp_path / "review.html").read_text()
    assert "<script" not in page
    assert "<img" not in page
