"""The verb preview_artifact: the beginning of a table that a task made, read by a process that ends with it."""

from __future__ import annotations

import threading
from typing import Any

from tidemill.access.model import Actor
from tidemill.artifacts.find import artifact
from tidemill.artifacts.manifest import EntryKind
from tidemill.artifacts.read import blob_store, open_blob
from tidemill.base.apart import run_apart
from tidemill.base.errors import NotFound, Unavailable
from tidemill.base.site import Site
from tidemill.tables import TablesProblem
from tidemill.tables.ask import MODULE, answered

SECONDS = 20.0
MEMORY_BYTES = 1 << 30
AT_ONCE = 2
WAIT_SECONDS = 30.0
_NOTHING: dict[str, Any] = {
    "format": "",
    "rows": None,
    "looked_at": 0,
    "columns_in_all": 0,
    "note": "",
    "columns": [],
    "cells": [],
    "problem": "",
}
_turns = threading.BoundedSemaphore(AT_ONCE)


def preview_artifact(site: Site, actor: Actor, artifact_id: str, path: str) -> dict[str, Any]:
    """What `tables.preview` says of a file, or of the file at `path` of a folder; `problem` says why it says nothing.

    The bytes are not checked against their digest: nobody decides by a preview. Raises `NotFound`, and `Unavailable`
    while too many are asked for at once.
    """
    found = artifact(site, actor, artifact_id)
    if found.content is None:
        raise NotFound(f"artifact {found.name!r} has no content in this site", place=found.uri or None)
    entries = blob_store(site).entries(found.content)
    digest = next((one.digest for one in entries if one.path == path and one.kind is EntryKind.FILE), None)
    if digest is None:
        raise NotFound(f"there is no file {path[:200]!r} in this artifact", remedy="see its /entries")
    if not _turns.acquire(timeout=WAIT_SECONDS):
        raise Unavailable("other tables are being looked into", remedy="try again in a moment")
    try:
        with open_blob(site, digest) as blob:
            asked = {"question": "preview", "path": blob.name}
            what = "it could not be looked into"
            told = run_apart(MODULE, asked, what=what, seconds=SECONDS, memory_bytes=MEMORY_BYTES)
            return {**_NOTHING, **answered(told)}
    except (TablesProblem, Unavailable) as problem:
        return {**_NOTHING, "problem": problem.message}
    finally:
        _turns.release()
