"""The store of blobs in a folder: `ab/cdef…` below it, moved in by rename and made durable."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from tidemill.artifacts import manifest
from tidemill.artifacts.copying import copy_file
from tidemill.artifacts.errors import CorruptArtifact
from tidemill.artifacts.hashing import digest_file
from tidemill.artifacts.manifest import Entry, EntryKind, check_digest
from tidemill.artifacts.model import Content, ContentKind
from tidemill.base.canonical import digest_bytes
from tidemill.base.errors import NotFound, StorageFull

_INCOMING = "incoming"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FolderStore:
    """An `ArtifactStore` in a folder of a local file system."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def ingest(self, path: Path) -> Content:
        """See `ArtifactStore`."""
        with self._translated(str(path)):
            if path.is_dir() and not path.is_symlink():
                return self._ingest_tree(path)
            digest, size = self._take(path)
            self._sync_folder(self._blob(digest).parent)
            return Content(digest=digest, size_bytes=size, kind=ContentKind.FILE)

    def put(self, data: bytes) -> Content:
        """See `ArtifactStore`."""
        digest = digest_bytes(data)
        with self._translated(digest), self._incoming() as temporary:
            with open(temporary, "xb") as writer:
                writer.write(data)
            self._place(temporary, digest)
            self._sync_folder(self._blob(digest).parent)
        return Content(digest=digest, size_bytes=len(data), kind=ContentKind.FILE)

    def materialize(self, content: Content, target: Path) -> None:
        """See `ArtifactStore`."""
        with self._translated(str(target)):
            try:
                if content.kind is ContentKind.FILE:
                    self._copy_out(content.digest, target, executable=False)
                else:
                    self._copy_tree_out(self.entries(content), target)
            except BaseException:
                _remove(target)
                raise

    def open(self, digest: str) -> BinaryIO:
        """See `ArtifactStore`."""
        try:
            return open(self._blob(digest), "rb")
        except FileNotFoundError as problem:
            raise NotFound("there is no blob of this digest", place=digest) from problem

    def entries(self, content: Content) -> tuple[Entry, ...]:
        """See `ArtifactStore`."""
        if content.kind is ContentKind.FILE:
            return (Entry(path="", kind=EntryKind.FILE, digest=content.digest, size_bytes=content.size_bytes),)
        try:
            data = self._blob(content.digest).read_bytes()
        except FileNotFoundError as problem:
            raise _missing(content.digest) from problem
        if digest_bytes(data) != content.digest:
            raise _damaged(content.digest)
        return manifest.decode(data, content.digest)

    def verify(self, content: Content) -> None:
        """See `ArtifactStore`."""
        for entry in self.entries(content):
            if entry.kind is EntryKind.FILE:
                self._check(self._blob(entry.digest), entry.digest)

    def has(self, digest: str) -> bool:
        """See `ArtifactStore`."""
        return self._blob(digest).exists()

    def _blob(self, digest: str) -> Path:
        name = check_digest(digest)
        return self._root / name[:2] / name[2:]

    def _ingest_tree(self, path: Path) -> Content:
        entries: list[Entry] = []
        for entry in list(manifest.scan(path)):
            if entry.kind is EntryKind.FILE:
                digest, size = self._take(path / entry.path)
                entry = replace(entry, digest=digest, size_bytes=size)  # noqa: PLW2901  # the same entry, now known
            entries.append(entry)
        for folder in {self._blob(entry.digest).parent for entry in entries if entry.kind is EntryKind.FILE}:
            self._sync_folder(folder)
        total = sum(entry.size_bytes for entry in entries)
        written = self.put(manifest.encode(tuple(entries)))
        shutil.rmtree(path)
        return Content(digest=written.digest, size_bytes=total, kind=ContentKind.TREE)

    def _take(self, path: Path) -> tuple[str, int]:
        """Hash a file and move it to its place; its folder is not yet synced."""
        if os.stat(path).st_nlink > 1 or path.is_symlink() or not self._same_file_system(path):
            # A second name would go on writing to the blob; another file system cannot rename to here.
            with self._incoming() as temporary:
                copy_file(path, temporary, mode=0o600)
                digest, size = digest_file(temporary)
                self._place(temporary, digest)
            path.unlink()
            return digest, size
        digest, size = digest_file(path)
        self._place(path, digest)
        return digest, size

    def _place(self, source: Path, digest: str) -> None:
        """Make the bytes durable, then give them their name; an older blob of that name is replaced, so a damaged
        one is healed."""
        os.chmod(source, 0o444)
        with open(source, "rb") as reader:
            os.fsync(reader.fileno())
        target = self._blob(digest)
        if not target.parent.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._sync_folder(self._root)
        os.replace(source, target)

    def _same_file_system(self, path: Path) -> bool:
        self._root.mkdir(parents=True, exist_ok=True)
        return os.stat(path).st_dev == os.stat(self._root).st_dev

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        folder = self._root / _INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as inner:
            yield Path(inner) / "blob"

    def _copy_out(self, digest: str, target: Path, *, executable: bool) -> None:
        try:
            copy_file(self._blob(digest), target, mode=0o755 if executable else 0o644)
        except FileNotFoundError as problem:
            if target.parent.exists():
                raise _missing(digest) from problem
            raise
        self._check(target, digest)

    def _copy_tree_out(self, entries: tuple[Entry, ...], target: Path) -> None:
        target.mkdir()
        for entry in entries:
            place = target / entry.path
            if entry.kind is EntryKind.FOLDER:
                place.mkdir()
            elif entry.kind is EntryKind.FILE:
                self._copy_out(entry.digest, place, executable=entry.executable)
        # Links come last: nothing is written through one.
        for entry in entries:
            if entry.kind is EntryKind.LINK:
                (target / entry.path).symlink_to(entry.target)

    def _check(self, path: Path, digest: str) -> None:
        try:
            found, _ = digest_file(path)
        except FileNotFoundError as problem:
            raise _missing(digest) from problem
        if found != digest:
            raise _damaged(digest)

    def _sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _translated(self, place: str) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            if problem.errno in _FULL:
                raise StorageFull(
                    "the disk has no room for an artifact", place=place, remedy="free some space, then resume the run"
                ) from problem
            raise


def _remove(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
    else:
        target.unlink(missing_ok=True)


def _missing(digest: str) -> CorruptArtifact:
    return CorruptArtifact(
        "the blob of an artifact is missing", place=digest, remedy="restore it, or run its maker again"
    )


def _damaged(digest: str) -> CorruptArtifact:
    return CorruptArtifact(
        "the bytes of an artifact are not those of its digest",
        place=digest,
        remedy="restore it, or run its maker again",
    )
