"""Bringing bytes into the store of a site."""

from __future__ import annotations

from pathlib import Path

from tidemill.artifacts.model import Content
from tidemill.artifacts.read import blob_store
from tidemill.base.site import Site


def ingest(site: Site, path: Path) -> Content:
    """Hash a file or folder and move it into the site's store; `path` is gone afterwards.

    Raises `StorageFull`, or `InvalidInput` for a socket, a device or a link that points outwards. Record an artifact
    only after this returned.
    """
    return blob_store(site).ingest(path)


def ingest_bytes(site: Site, data: bytes) -> Content:
    """Store bytes as a file; raises `StorageFull`."""
    return blob_store(site).put(data)
