"""Whether bytes are those of a dataset version, by DVC's own hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from tidemill.artifacts import ArtifactStore, Content
from tidemill.artifacts.manifest import EntryKind
from tidemill.base.errors import NotFound

_PIECE_BYTES = 1 << 20


def version_hash(md5_by_path: Mapping[str, str]) -> str:
    """DVC 3's name of a content: of a file `md5:<hex>`, of a folder `md5:<hex>.dir`.

    `md5_by_path` has the hex digits of each file by its path in the folder; of a file alone under "". A folder's is
    the md5 of its list of files (dvc_data.hashfile.tree: JSON, sorted by path, keys sorted).
    """
    if "" in md5_by_path:
        return f"md5:{md5_by_path['']}"
    listed = [{"md5": md5_by_path[path], "relpath": path} for path in sorted(md5_by_path)]
    text = json.dumps(listed, sort_keys=True)
    return f"md5:{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"


def stored_hash(store: ArtifactStore, content: Content) -> str | None:
    """The same of what is in the store, read from there; None when a blob is missing or is not what it is named."""
    found: dict[str, str] = {}
    for entry in store.entries(content):
        if entry.kind is EntryKind.FILE:
            md5 = _md5(store, entry.digest)
            if md5 is None:
                return None
            found[entry.path] = md5
    return version_hash(found)


def _md5(store: ArtifactStore, digest: str) -> str | None:
    """The md5 of a blob whose bytes are still those of its digest."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    try:
        with store.open(digest) as stream:
            while piece := stream.read(_PIECE_BYTES):
                md5.update(piece)
                sha256.update(piece)
    except NotFound:
        return None
    return md5.hexdigest() if digest == f"sha256:{sha256.hexdigest()}" else None
