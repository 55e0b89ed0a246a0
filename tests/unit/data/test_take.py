"""Data is taken for a run once, and never under a version that it is not of."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import People
from tests.unit.data.verbs import GENEROUS, SiteVerbs

from tidemill.access import Actor
from tidemill.artifacts import ContentKind, artifact, blob_store, ingest_bytes, list_artifacts
from tidemill.artifacts.pack import Parcel, pack_file, pack_folder
from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound, StorageFull, TooLarge
from tidemill.base.site import Site
from tidemill.data import DataOffer, SeenVersion
from tidemill.data.take import Limits, Upload

ROWS = b"a,b\n1,2\n"


@pytest.fixture
def verbs(site: Site, owner: Actor) -> SiteVerbs:
    """The verbs for the owner."""
    return SiteVerbs(site, owner)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A table."""
    path = tmp_path / "rows.csv"
    path.write_bytes(ROWS)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder."""
    folder = tmp_path / "images"
    (folder / "ü").mkdir(parents=True)
    (folder / "ü" / "two").write_bytes(b"2")
    (folder / "one").write_bytes(b"1")
    return folder


def _version(verbs: SiteVerbs, content_hash: str) -> str:
    seen = SeenVersion(
        repository="git:1",
        path="rows.csv",
        dvc_file="rows.csv.dvc",
        hash=content_hash,
        size_bytes=8,
        file_count=1,
        row_count=1,
        git_commit="c" * 40,
    )
    return verbs.record_version(seen).id


def _md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def _hash_of_images() -> str:
    listed = [{"md5": _md5(b"1"), "relpath": "one"}, {"md5": _md5(b"2"), "relpath": "ü/two"}]
    return f"md5:{_md5(json.dumps(listed).encode())}.dir"


def _offer(parcel: Parcel, version_id: str | None = None, path: str = "rows.csv") -> DataOffer:
    return DataOffer(path=path, digest=parcel.content.digest, kind=parcel.content.kind, version_id=version_id)


def _take(verbs: SiteVerbs, parcel: Parcel, version_id: str | None = None) -> str:
    offer = _offer(parcel, version_id)
    return verbs.known_artifact(offer) or verbs.send(offer, parcel)


def _is_clean(site: Site) -> bool:
    return not list(site.home.work.iterdir())


def test_the_same_version_is_the_same_artifact_and_its_bytes_come_once(verbs: SiteVerbs, rows: Path) -> None:
    version_id = _version(verbs, f"md5:{_md5(ROWS)}")
    first = _take(verbs, pack_file(rows), version_id)
    assert _take(verbs, pack_file(rows), version_id) == first
    assert len(verbs.sent) == 1
    found = artifact(verbs.site, verbs.actor, first)
    assert found.metadata == {
        "path": "rows.csv",
        "repository": "git:1",
        "data_version": f"md5:{_md5(ROWS)}",
        "git_commit": "c" * 40,
        "dvc_file": "rows.csv.dvc",
    }
    assert (found.name, found.type, found.run_id) == ("rows.csv", "system.Dataset", None)
    assert _is_clean(verbs.site)


def test_without_a_version_it_is_another_artifact_of_the_same_bytes(verbs: SiteVerbs, rows: Path) -> None:
    plain = _take(verbs, pack_file(rows))
    versioned = _take(verbs, pack_file(rows), _version(verbs, f"md5:{_md5(ROWS)}"))
    assert plain != versioned
    assert len(verbs.sent) == 1
    assert artifact(verbs.site, verbs.actor, plain).metadata == {"path": "rows.csv"}


def test_bytes_that_are_not_the_versions_are_refused_sent_or_not(verbs: SiteVerbs, rows: Path) -> None:
    version_id = _version(verbs, f"md5:{_md5(b'other')}")
    with pytest.raises(Conflict, match="not those of the version"):
        verbs.send(_offer(pack_file(rows), version_id), pack_file(rows))
    _take(verbs, pack_file(rows))
    with pytest.raises(Conflict, match="not those of the version"):
        verbs.known_artifact(_offer(pack_file(rows), version_id))
    versions = [one.metadata.get("data_version") for one in list_artifacts(verbs.site, verbs.actor).items]
    assert versions == [None]
    assert _is_clean(verbs.site)


def test_a_folder_is_checked_like_dvc_names_it(verbs: SiteVerbs, images: Path) -> None:
    version_id = _version(verbs, _hash_of_images())
    first = _take(verbs, pack_folder(images), version_id)
    assert _take(verbs, pack_folder(images), version_id) == first
    (images / "one").write_bytes(b"changed")
    with pytest.raises(Conflict, match="not those of the version"):
        _take(verbs, pack_folder(images), version_id)
    (images / "one").write_bytes(b"1")
    (images / "three").write_bytes(b"more than the version")
    with pytest.raises(Conflict, match="not those of the version"):
        _take(verbs, pack_folder(images), version_id)
    assert _is_clean(verbs.site)


def test_a_version_of_a_file_is_not_a_folder(verbs: SiteVerbs, images: Path, rows: Path) -> None:
    for parcel, content_hash in ((pack_folder(images), f"md5:{'0' * 32}"), (pack_file(rows), f"md5:{'0' * 32}.dir")):
        with pytest.raises(Conflict, match="a version of a folder is a folder"):
            _take(verbs, parcel, _version(verbs, content_hash))


def test_what_comes_must_be_what_was_offered(verbs: SiteVerbs, rows: Path, images: Path) -> None:
    for parcel in (pack_file(rows), pack_folder(images)):
        lying = replace(_offer(parcel), digest="sha256:" + "0" * 64)
        with pytest.raises(Conflict, match="not what was offered"):
            verbs.send(lying, parcel)
    assert list_artifacts(verbs.site, verbs.actor).items == []
    assert not [path for path in verbs.site.home.blobs.rglob("*") if path.is_file()]
    assert _is_clean(verbs.site)


def test_a_digest_alone_gives_nothing_of_another_namespace(verbs: SiteVerbs, rows: Path) -> None:
    _take(verbs, pack_file(rows))
    stranger = SiteVerbs(verbs.site, replace(verbs.actor, namespace_id="another"))
    assert stranger.known_artifact(_offer(pack_file(rows))) is None


def test_bytes_in_the_store_that_nobody_recorded_here_have_to_come(verbs: SiteVerbs, rows: Path) -> None:
    ingest_bytes(verbs.site, ROWS)
    assert verbs.known_artifact(_offer(pack_file(rows))) is None


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_damaged_blob_is_healed_by_the_next_run(verbs: SiteVerbs, rows: Path, images: Path, damage: str) -> None:
    for parcel in (pack_file(rows), pack_folder(images)):
        first = _take(verbs, parcel)
        content = artifact(verbs.site, verbs.actor, first).content
        assert content is not None
        entry = blob_store(verbs.site).entries(content)[0]
        digest = content.digest if content.kind is ContentKind.TREE else entry.digest
        blob = verbs.site.home.blobs / digest[7:9] / digest[9:]
        blob.chmod(0o600)
        blob.unlink() if damage == "gone" else blob.write_bytes(b"x")
        assert verbs.known_artifact(_offer(parcel)) is None
        assert _take(verbs, parcel) == first
        blob_store(verbs.site).verify(content)


def test_who_may_only_read_brings_nothing(verbs: SiteVerbs, rows: Path, people: People) -> None:
    viewer = SiteVerbs(verbs.site, people.viewer)
    with pytest.raises(Forbidden):
        viewer.known_artifact(_offer(pack_file(rows)))
    with pytest.raises(Forbidden):
        viewer.send(_offer(pack_file(rows)), pack_file(rows))
    with pytest.raises(Forbidden):
        _version(viewer, f"md5:{_md5(ROWS)}")


def test_a_version_of_somebody_else_is_not_found(verbs: SiteVerbs, rows: Path) -> None:
    version_id = _version(verbs, f"md5:{_md5(ROWS)}")
    stranger = SiteVerbs(verbs.site, replace(verbs.actor, namespace_id="another"))
    with pytest.raises(NotFound):
        stranger.send(_offer(pack_file(rows), version_id), pack_file(rows))


def test_names_and_digests_that_are_none_are_refused(verbs: SiteVerbs, rows: Path) -> None:
    good = _offer(pack_file(rows))
    for bad in (replace(good, path="a\nb"), replace(good, path="n" * 300), replace(good, digest="sha256:../..")):
        with pytest.raises(InvalidInput):
            verbs.send(bad, pack_file(rows))


def _upload(verbs: SiteVerbs, offer: DataOffer, limits: Limits, length: int | None, data: bytes) -> None:
    upload = Upload(verbs.site, verbs.actor, offer, limits, length_bytes=length)
    try:
        upload.feed(data)
        upload.finish()
    finally:
        upload.close()


@pytest.mark.parametrize("length", [None, 8])
def test_more_than_the_limit_is_too_large(verbs: SiteVerbs, rows: Path, length: int | None) -> None:
    with pytest.raises(TooLarge, match="more than the 7 bytes"):
        _upload(verbs, _offer(pack_file(rows)), Limits(upload_bytes=7, floor_bytes=0), length, ROWS)
    assert _is_clean(verbs.site)


def test_fewer_bytes_than_were_told_of_are_refused(verbs: SiteVerbs, rows: Path) -> None:
    with pytest.raises(InvalidInput, match="8 of 9 bytes came"):
        _upload(verbs, _offer(pack_file(rows)), GENEROUS, 9, ROWS)


def test_the_floor_of_free_space_is_kept_by_what_is_to_come(verbs: SiteVerbs, rows: Path) -> None:
    free = os.statvfs(verbs.site.home.path).f_bavail * os.statvfs(verbs.site.home.path).f_frsize
    limits = Limits(upload_bytes=2 * free, floor_bytes=free // 2)
    with pytest.raises(StorageFull, match=r"has no room for rows\.csv"):
        _upload(verbs, _offer(pack_file(rows)), limits, free, ROWS)
    _upload(verbs, _offer(pack_file(rows)), limits, None, ROWS)
    assert _is_clean(verbs.site)


def test_a_commit_comes_to_a_version_later(verbs: SiteVerbs) -> None:
    seen = SeenVersion(
        repository="git:1",
        path="rows.csv",
        dvc_file="rows.csv.dvc",
        hash=f"md5:{_md5(ROWS)}",
        size_bytes=8,
        file_count=1,
        row_count=1,
        git_commit=None,
    )
    first = verbs.record_version(seen)
    second = verbs.record_version(replace(seen, git_commit="d" * 40, row_count=None))
    assert (first.git_commit, second.git_commit) == (None, "d" * 40)
    assert (second.id, second.row_count) == (first.id, 1)
