"""The contract of a store of blobs."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

from tidemill.artifacts.manifest import Entry
from tidemill.artifacts.model import Content


class ArtifactStore(Protocol):
    """Bytes by their sha256; what is in it never changes. Digests are `sha256:<64 hex digits>`.

    What a method returned as stored survives a power loss. Every method raises `StorageFull` when there is no room
    (and leaves nothing half-written), `InvalidInput` for something that is no digest.
    """

    def ingest(self, path: Path) -> Content:
        """Hash a file or folder and move it in; `path` is gone afterwards. A tree's folders, files, their executable
        bits and its inner relative links are kept; a socket, a device or a link outwards raises `InvalidInput`."""
        ...

    def put(self, data: bytes) -> Content:
        """Store bytes as a file."""
        ...

    def materialize(self, content: Content, target: Path) -> None:
        """Make a private copy at `target`, which must not exist (its parent must); writing to it never changes the
        store. The copy is checked: `CorruptArtifact` names the digest of what is missing or damaged."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """The bytes of one blob, unchecked; `NotFound` when there is none."""
        ...

    def entries(self, content: Content) -> tuple[Entry, ...]:
        """What a tree holds, sorted by path; a file is one entry with the path "". `CorruptArtifact` if unreadable."""
        ...

    def verify(self, content: Content) -> None:
        """Read everything and raise `CorruptArtifact` unless each byte is what the digests name."""
        ...

    def has(self, digest: str) -> bool:
        """True when a blob of that digest is there; its bytes are not read."""
        ...
