"""A store of blobs in memory: a fake for tests that keeps the whole contract but durability."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from tidemill.artifacts import manifest
from tidemill.artifacts.errors import CorruptArtifact
from tidemill.artifacts.manifest import Entry, EntryKind, check_digest
from tidemill.artifacts.model import Content, ContentKind
from tidemill.base.canonical import digest_bytes
from tidemill.base.errors import NotFound


class MemoryStore:
    """An `ArtifactStore` in a dictionary; `blobs` is open to tests that damage it."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def ingest(self, path: Path) -> Content:
        """See `ArtifactStore`."""
        if not path.is_dir() or path.is_symlink():
            content = self.put(path.read_bytes())
            path.unlink()
            return content
        entries = tuple(self._with_digest(path, entry) for entry in list(manifest.scan(path)))
        written = self.put(manifest.encode(entries))
        shutil.rmtree(path)
        total = sum(entry.size_bytes for entry in entries)
        return Content(digest=written.digest, size_bytes=total, kind=ContentKind.TREE)

    def put(self, data: bytes) -> Content:
        """See `ArtifactStore`."""
        digest = digest_bytes(data)
        self.blobs[digest] = data
        return Content(digest=digest, size_bytes=len(data), kind=ContentKind.FILE)

    def materialize(self, content: Content, target: Path) -> None:
        """See `ArtifactStore`."""
        self.verify(content)
        if content.kind is ContentKind.FILE:
            self._write(target, content.digest, executable=False)
            return
        target.mkdir()
        links = []
        for entry in self.entries(content):
            if entry.kind is EntryKind.FOLDER:
                (target / entry.path).mkdir()
            elif entry.kind is EntryKind.FILE:
                self._write(target / entry.path, entry.digest, executable=entry.executable)
            else:
                links.append(entry)
        for link in links:
            (target / link.path).symlink_to(link.target)

    def open(self, digest: str) -> BinaryIO:
        """See `ArtifactStore`."""
        check_digest(digest)
        if digest not in self.blobs:
            raise NotFound("there is no blob of this digest", place=digest)
        return io.BytesIO(self.blobs[digest])

    def entries(self, content: Content) -> tuple[Entry, ...]:
        """See `ArtifactStore`."""
        if content.kind is ContentKind.FILE:
            return (Entry(path="", kind=EntryKind.FILE, digest=content.digest, size_bytes=content.size_bytes),)
        return manifest.decode(self._checked(content.digest), content.digest)

    def verify(self, content: Content) -> None:
        """See `ArtifactStore`."""
        for entry in self.entries(content):
            if entry.kind is EntryKind.FILE:
                self._checked(entry.digest)

    def has(self, digest: str) -> bool:
        """See `ArtifactStore`."""
        check_digest(digest)
        return digest in self.blobs

    def _with_digest(self, root: Path, entry: Entry) -> Entry:
        if entry.kind is not EntryKind.FILE:
            return entry
        content = self.put((root / entry.path).read_bytes())
        return replace(entry, digest=content.digest, size_bytes=content.size_bytes)

    def _checked(self, digest: str) -> bytes:
        check_digest(digest)
        data = self.blobs.get(digest)
        if data is None or digest_bytes(data) != digest:
            raise CorruptArtifact("the blob of an artifact is missing or damaged", place=digest)
        return data

    def _write(self, target: Path, digest: str, *, executable: bool) -> None:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755 if executable else 0o644)
        with os.fdopen(descriptor, "wb") as writer:
            writer.write(self.blobs[digest])
