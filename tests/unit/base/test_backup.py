"""A backup gives the same home back, and a foreign archive writes nothing elsewhere."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from tests.conftest import People

from tidemill.access import Role, authenticate, create_token
from tidemill.base.backup import create_backup, restore_backup
from tidemill.base.database import Database, sqlite_url
from tidemill.base.errors import Conflict, InvalidInput
from tidemill.base.site import Site


def test_a_restored_home_knows_what_the_old_one_knew(site: Site, people: People, tmp_path: Path) -> None:
    _, secret = create_token(site, people.owner, person="ada", roles=frozenset({Role.APPROVER}))
    (site.home.blobs / "ab").mkdir()
    (site.home.blobs / "ab" / "cd").write_bytes(b"model")
    (site.home.keys / "key").write_bytes(b"secret")
    backup = create_backup(site, tmp_path / "b.tar.gz")
    assert oct(backup.path.stat().st_mode & 0o777) == "0o600"
    home = restore_backup(backup.path, tmp_path / "new")
    assert (home.blobs / "ab" / "cd").read_bytes() == b"model"
    assert oct((home.keys / "key").stat().st_mode & 0o777) == "0o600"
    database = Database(sqlite_url(home.database))
    restored = Site(home=home, database=database, clock=site.clock, ids=site.ids)
    assert authenticate(restored, secret).person == "ada"
    database.close()


def test_a_backup_never_replaces_a_file(site: Site, tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_text("mine")
    with pytest.raises(Conflict):
        create_backup(site, tmp_path / "b.tar.gz")
    assert (tmp_path / "b.tar.gz").read_text() == "mine"


def test_a_restore_never_writes_into_a_home_that_holds_something(site: Site, tmp_path: Path) -> None:
    backup = create_backup(site, tmp_path / "b.tar.gz")
    with pytest.raises(Conflict, match="not empty"):
        restore_backup(backup.path, site.home.path)


@pytest.mark.parametrize("name", ["../outside", "/outside", "blobs/../../outside", "venvs/x", "outside"])
def test_an_archive_with_a_foreign_path_writes_nothing_outside(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "bad.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        member = tarfile.TarInfo(name)
        member.size = 1
        opened.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(InvalidInput, match="not a file of a backup"):
        restore_backup(archive, tmp_path / "new")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_an_archive_with_links_or_devices_is_refused(tmp_path: Path, kind: bytes) -> None:
    archive = tmp_path / "bad.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        member = tarfile.TarInfo("blobs/x")
        member.type, member.linkname = kind, "/etc/passwd"
        opened.addfile(member)
    with pytest.raises(InvalidInput, match="not a file of a backup"):
        restore_backup(archive, tmp_path / "new")


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x1f\x8b broken"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.tar.gz").write_bytes(content)
    with pytest.raises(InvalidInput):
        restore_backup(tmp_path / "b.tar.gz", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["b.tar.gz"]
