"""Getting bytes out of the store of a site."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from tidemill.artifacts.errors import CorruptArtifact
from tidemill.artifacts.folder_store import FolderStore
from tidemill.artifacts.model import Artifact, Content
from tidemill.base.errors import InvalidInput, TooLarge
from tidemill.base.site import Site


def blob_store(site: Site) -> FolderStore:
    """The store of the site's home."""
    return FolderStore(site.home.blobs)


def materialize(site: Site, content: Content, target: Path) -> None:
    """Make a private, checked copy of a file or folder at `target`, which must not exist.

    Raises `CorruptArtifact` (naming the digest) or `StorageFull`; then nothing is left at `target`.
    """
    blob_store(site).materialize(content, target)


def open_blob(site: Site, digest: str) -> BinaryIO:
    """The bytes of one blob, unchecked; `NotFound` when there is none."""
    return blob_store(site).open(digest)


def read_bytes(site: Site, content: Content, *, limit_bytes: int = 64 << 20) -> bytes:
    """The checked bytes of a file; `TooLarge` above the limit, `InvalidInput` for a folder, `CorruptArtifact`."""
    if content.kind != "file":
        raise InvalidInput("is a folder, not a file", place=content.digest)
    if content.size_bytes > limit_bytes:
        raise TooLarge(f"has {content.size_bytes} bytes, the limit here is {limit_bytes}", place=content.digest)
    blobs = blob_store(site)
    blobs.verify(content)
    with blobs.open(content.digest) as reader:
        return reader.read()


def verify(site: Site, found: Artifact) -> None:
    """Read an artifact's bytes; `CorruptArtifact` names the digest and the run that made it when they are not right."""
    if found.content is None:
        return
    try:
        blob_store(site).verify(found.content)
    except CorruptArtifact as problem:
        maker = f"run {found.run_id}, task {found.task_id}" if found.run_id else found.created_by
        raise CorruptArtifact(
            f"{problem.message}; artifact {found.name!r} ({found.id}) was made by {maker}",
            place=problem.place,
            remedy=f"tidemill runs resume {found.run_id}" if found.run_id else problem.remedy,
        ) from problem
