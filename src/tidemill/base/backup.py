"""Backup and restore of a home: one archive with the database, the artifacts, the keys and the telemetry."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tidemill.base.errors import Conflict, InvalidInput, StorageFull
from tidemill.base.home import Home, open_home
from tidemill.base.site import Site

FOLDERS = ("blobs", "keys", "locks", "logs", "remotes", "telemetry")
"""What is kept beside the database, pushed datasets among it; venvs are made anew, `work` holds nothing that counts."""

FILES = ("home.json", "settings.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """An archive: where it is, its size and how many files are in it."""

    path: Path
    size_bytes: int
    files: int


def create_backup(site: Site, target: Path) -> Backup:
    """Write a backup of a home, also while its site runs; the archive appears whole or not at all.

    The database goes first: what it names was in the store before it was named. Raises `Conflict` when the target
    exists or the database is not SQLite (PostgreSQL has its own tools), `StorageFull` when the disk is full.
    """
    if target.exists():
        raise Conflict("is there already", place=str(target), remedy="choose another name")
    if not site.database.is_sqlite:
        raise Conflict(
            "the database of this site is PostgreSQL", remedy="use pg_dump, and copy the home's blobs and keys"
        )
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        # where the archive goes there is room for it, also while there is none in the home
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            copy = Path(scratch) / "state.db"
            _copy_database(site.home.database, copy)
            count = _write_archive(site.home, copy, temporary)
        temporary.replace(target)
    except OSError as problem:
        said = f"the backup was not written: {(problem.strerror or str(problem)).lower()}"
        if problem.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull(
                said, place=str(target), remedy="free some space there, or name another disk"
            ) from problem
        raise InvalidInput(said, place=str(target), remedy="name a file in a folder that you may write to") from problem
    finally:
        temporary.unlink(missing_ok=True)
    return Backup(path=target, size_bytes=target.stat().st_size, files=count)


def restore_backup(archive: Path, target: Path) -> Home:
    """Make a home from a backup. Raises `Conflict` unless the target is empty, `InvalidInput` for a foreign archive.

    Only regular files below the known folders are taken, never links, so that an archive cannot write elsewhere.
    """
    if target.exists() and any(target.iterdir()):
        raise Conflict("is not empty", place=str(target), remedy="restore into a new folder with --home")
    target.parent.mkdir(parents=True, exist_ok=True)
    # unpacked beside the target and renamed, so that a broken archive leaves nothing
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        _unpack(archive, scratch)
        if target.exists():
            target.rmdir()
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return open_home(target)


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive, "r:*") as opened:
            for member in opened:
                _restore_member(opened, member, folder, archive)
    except (tarfile.TarError, EOFError, zlib.error) as problem:
        raise InvalidInput(f"not a whole backup: {problem}", place=str(archive)) from problem
    except OSError as problem:
        raise InvalidInput(f"cannot be restored: {problem}", place=str(archive)) from problem
    if not (folder / "home.json").exists() or not (folder / "state.db").exists():
        raise InvalidInput("not a whole backup: it lacks home.json or state.db", place=str(archive))


def _copy_database(source: Path, copy: Path) -> None:
    with sqlite3.connect(source) as reading, sqlite3.connect(copy) as writing:
        reading.backup(writing)
    reading.close()
    writing.close()


def _write_archive(home: Home, database: Path, target: Path) -> int:
    count = 1
    with tarfile.open(target, "x:gz", compresslevel=1) as archive:
        target.chmod(0o600)
        archive.add(database, "state.db")
        for name in FILES:
            if (home.path / name).exists():
                archive.add(home.path / name, name)
                count += 1
        for folder in FOLDERS:
            for path in sorted((home.path / folder).rglob("*")):
                # a temporary file may go away while the site works; what counts has a lasting name
                if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                    archive.add(path, path.relative_to(home.path).as_posix())
                    count += 1
    return count


def _restore_member(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, place: Path) -> None:
    name = PurePosixPath(member.name)
    known = name.parts and (name.parts[0] in FOLDERS or member.name in (*FILES, "state.db"))
    if not member.isreg() or name.is_absolute() or ".." in name.parts or not known:
        raise InvalidInput(f"holds {member.name!r}, which is not a file of a backup", place=str(place))
    goal = target.joinpath(*name.parts)
    goal.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = archive.extractfile(member)
    assert source is not None  # a regular member always has content
    descriptor = os.open(goal, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while piece := source.read(1 << 20):
            file.write(piece)
