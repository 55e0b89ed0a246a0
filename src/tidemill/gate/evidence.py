"""The evidence pack: a decision with everything it rests on, signed, to be checked without this site."""

from __future__ import annotations

import base64
import io
import os
import shlex
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.canonical import canonical_json, digest_bytes
from tidemill.base.errors import Conflict, InvalidInput, StorageFull
from tidemill.base.signing import PublicKey, pre_authentication_encoding, sign_bytes, signing_key
from tidemill.base.site import Site
from tidemill.gate import rows
from tidemill.gate.evidence_page import evidence_page
from tidemill.gate.find import get_review
from tidemill.gate.model import CheckState, Review, ReviewState
from tidemill.gate.statements import checks_digest, in_words
from tidemill.gate.verify import pipeline_approved_by, prove_rows
from tidemill.registry import ModelVersion, get_version, trace_version
from tidemill.registry.pointer import pointer_moves
from tidemill.registry.seal import version_digest

REVIEW_TYPE = "application/vnd.tidemill.review+json"


def evidence_pack(site: Site, actor: Actor, review_id: str, folder: Path) -> list[Path]:
    """Write the pack of a review into a folder (made when missing); the files, each whole or not there.

    Raises `Conflict` while checks have not run, `Forbidden` when a row is not what was signed, `InvalidInput` when the
    folder cannot be used, `StorageFull`.
    """
    files = evidence_files(site, actor, review_id)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            written.append(_write(folder / name, data))
    except (FileExistsError, NotADirectoryError, PermissionError) as problem:
        raise InvalidInput(f"cannot be written: {problem.strerror}", place=str(folder)) from problem
    except OSError as problem:
        raise StorageFull(f"cannot be written: {problem.strerror}", place=str(folder)) from problem
    return written


def evidence_files(site: Site, actor: Actor, review_id: str) -> dict[str, bytes]:
    """The pack as file name → bytes: review.json, its envelope, review.html, signatures, public key, VERIFY.txt."""
    review = get_review(site, actor, review_id)
    if review.checks_state is CheckState.PENDING:
        raise Conflict("not every check has run yet", remedy=f"tidemill review show {review.id}")
    version = None if review.model_version_id is None else get_version(site, actor, review.model_version_id)
    key = signing_key(site.home)
    with site.database.read() as connection:
        decision = rows.decision_of(connection, actor.namespace_id, review.id)
        prove_rows(connection, key.public, review, version, decision)  # nothing is signed that rows merely claim
        approval = _pipeline_approval(connection, key.public, review)
    document = _document(site, actor, review, version, decision)
    document["pipeline_approval"] = approval
    document["public_key_sha256"] = key.public.key_id
    page = evidence_page(document).encode()
    document["files"] = {"review.html": digest_bytes(page)}
    content = canonical_json(document)
    envelope = sign_bytes(key, content, REVIEW_TYPE)
    files = {
        "review.json": content,
        "review.dsse.json": canonical_json(envelope),
        "review.html": page,
        "public-key.pem": key.public.pem,
        **_openssl_files("review", envelope),
    }
    for number, each in enumerate(review.approvals, start=1):
        files.update(_openssl_files(f"approval-{number}", each.envelope))
    if document["decision"] is not None:
        files.update(_openssl_files("decision", document["decision"]))
    if approval is not None:
        for number, envelope in enumerate(approval["envelopes"], start=1):
            files.update(_openssl_files(f"pipeline-approval-{number}", envelope))
        files.update(_openssl_files("pipeline-decision", approval["decision"]))
    signed = sorted(name[:-4] for name in files if name.endswith(".pae"))
    files["VERIFY.txt"] = _instructions(signed, _said(review), key.public.key_id)
    return files


def evidence_archive(site: Site, actor: Actor, review_id: str) -> bytes:
    """The pack as one ZIP archive; the same files give the same bytes."""
    packed = io.BytesIO()
    files = evidence_files(site, actor, review_id)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), files[name])
    return packed.getvalue()


def _pipeline_approval(connection: Connection, key: PublicKey, review: Review) -> dict[str, Any] | None:
    """What people signed that let a review pass without one: their approvals of the pipeline version and the policy."""
    said = review.automatic
    if said is None or said.pipeline_review_id is None or review.state is not ReviewState.APPROVED:
        return None
    found = pipeline_approved_by(connection, key, review.namespace_id, said.pipeline_review_id)
    behind = rows.review_by_id(connection, review.namespace_id, found.review_id)
    assert behind is not None  # it was proven just now
    return {
        "review_id": found.review_id,
        "approved_by": list(found.approved_by),
        "approved_at": _time(found.approved_at),
        "pipeline": {**found.version.to_json(), "pipeline_digest": found.version.digest},
        "policy_digest": found.policy_digest,
        "envelopes": [approval.envelope for approval in behind.approvals],
        "decision": rows.decision_of(connection, review.namespace_id, found.review_id),
    }


def _document(
    site: Site, actor: Actor, review: Review, version: ModelVersion | None, decision: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "review": _facts(review),
        "model_version": None
        if version is None
        else {**trace_version(site, actor, version.id), "version_digest": version_digest(version)},
        "pipeline": None
        if review.pipeline is None
        else {**review.pipeline.to_json(), "pipeline_digest": review.pipeline.digest},
        "policy": review.policy.to_json(),
        "policy_digest": review.policy_digest,
        "checks": [
            {
                "name": check.name,
                "state": check.state.value,
                "summary": check.summary,
                "evidence": check.evidence,
                "finished_at": _time(check.finished_at),
            }
            for check in review.checks
        ],
        "checks_digest": checks_digest(review.checks),
        "approvals": [
            {
                "approver": approval.approver,
                "approved_at": _time(approval.created_at),
                "package_digest": approval.package_digest,
                "envelope": approval.envelope,
            }
            for approval in review.approvals
        ],
        "automatic": None if review.automatic is None else review.automatic.to_json(),
        "automatic_in_words": in_words(review),
        "decision": decision,
        "pointer_moves": _moves(site, actor, review),
    }


def _facts(review: Review) -> dict[str, Any]:
    return {
        "id": review.id,
        "namespace_id": review.namespace_id,
        "about": review.subject.value,
        "version": review.version_label,
        "digest": review.package_digest,
        "environment": review.environment,
        "service": review.service,
        "state": review.state.value,
        "reason": review.reason,
        "opened_by": review.opened_by,
        "opened_at": _time(review.opened_at),
        "closed_by": review.closed_by,
        "closed_at": _time(review.closed_at),
    }


def _moves(site: Site, actor: Actor, review: Review) -> list[dict[str, Any]]:
    return [
        {
            "generation": move.generation,
            "kind": move.kind.value,
            "to_version_id": move.to_version_id,
            "moved_by": move.moved_by,
            "moved_at": _time(move.moved_at),
        }
        for move in pointer_moves(site, actor, environment=review.environment, service=review.service)
        if move.review_id == review.id
    ]


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _openssl_files(name: str, envelope: dict[str, Any]) -> dict[str, bytes]:
    """What was signed, byte for byte, and the signature, as openssl reads them."""
    payload = base64.b64decode(envelope["payload"])
    return {
        f"{name}.pae": pre_authentication_encoding(envelope["payloadType"], payload),
        f"{name}.sig": base64.b64decode(envelope["signatures"][0]["sig"]),
    }


def _said(review: Review) -> list[str]:
    """Commands that look for what review.json says inside what was signed: whose approval, of what."""
    bound = {
        "review_id": review.id,
        "checks_digest": checks_digest(review.checks),
        "policy_digest": review.policy_digest,
        **({} if review.pipeline is None else {"pipeline_digest": review.pipeline.digest}),
    }
    wanted: dict[str, dict[str, Any]] = {
        f"approval-{number}.pae": {**bound, "approver": approval.approver, "sha256": _hex(approval.package_digest)}
        for number, approval in enumerate(review.approvals, start=1)
    }
    said = review.automatic
    if said is not None and said.pipeline_review_id is not None:
        ours = {**bound, "automatic": said.to_json(), "approvers": [], "sha256": _hex(review.package_digest)}
        wanted["decision.pae"] = ours
        wanted["pipeline-decision.pae"] = {
            "review_id": said.pipeline_review_id,
            "approvers": sorted(said.approved_by),
            "policy_digest": review.policy_digest,
        }
    elif review.state is ReviewState.APPROVED:
        approvers = sorted(approval.approver for approval in review.approvals)
        wanted["decision.pae"] = {**bound, "approvers": approvers, "sha256": _hex(review.package_digest)}
    return [
        f"   grep -cF {shlex.quote(canonical_json({name: value}).decode()[1:-1])} {file}"
        for file, facts in wanted.items()
        for name, value in sorted(facts.items())
    ]


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _instructions(signed: list[str], said: list[str], key_id: str) -> bytes:
    lines = [
        "How to check this decision without Tidemill (openssl and coreutils are enough)",
        "",
        "1. The key is the one you know from the site (ask its administrator for this number another way):",
        "   openssl pkey -pubin -in public-key.pem -outform DER | sha256sum",
        f"   {key_id}",
        "",
        "2. Each signature holds; every command prints: Verified OK",
        *(f"   openssl dgst -sha256 -verify public-key.pem -signature {name}.sig {name}.pae" for name in signed),
        "",
        "3. review.json is what review.sig signs; the command prints nothing:",
        '   tail -c "$(wc -c < review.json)" review.pae | cmp - review.json',
        "",
        "4. review.html is the page that review.json names under files:",
        "   sha256sum review.html",
        "",
        "5. What was signed is what review.json says: who, which package, which results; every command prints: 1",
        *said,
        "",
        "A .pae file is the pre-authentication encoding of DSSE (https://github.com/secure-systems-lab/dsse): a short",
        "header, then the signed document. Each approval names the digests of the model package, of the pipeline",
        "version, of the check results and of the policy; the same digests stand in review.json.",
        "",
    ]
    return "\n".join(lines).encode()


def _write(path: Path, data: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
