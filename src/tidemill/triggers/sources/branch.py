"""The source of data on a branch: the hash in a `.dvc` file, at the head of a git branch."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.base.home import Home
from tidemill.data.git import without_password
from tidemill.triggers.sources.contract import Sighting
from tidemill.triggers.sources.git_remote import (
    blob_at,
    check_address,
    check_branch,
    clone,
    head_of,
    small_content,
)

_MD5 = re.compile(r"^\s*-?\s*md5:\s*['\"]?([0-9a-f]{32}(?:\.dir)?)['\"]?\s*$", re.MULTILINE)


class BranchSource:
    """Looks at the head of the branch; the repository is only fetched when the head is another commit."""

    def check(self, settings: Mapping[str, Any], *, place: str) -> dict[str, Any]:
        """See `TriggerSource`: `repository`, `branch` and the `path` of a file in it, such as `data/cars.csv.dvc`."""
        path = str(settings.get("path", ""))
        parts = path.split("/")
        if not path or not path.isprintable() or len(path) > 1000 or path.startswith("/") or ".." in parts:
            raise InvalidInput(
                f"{path[:80]!r} is no file of a repository", place=f"{place}.path", remedy='path = "data/cars.csv.dvc"'
            )
        return {
            "repository": check_address(str(settings.get("repository", "")), place=f"{place}.repository"),
            "branch": check_branch(str(settings.get("branch") or "main"), place=f"{place}.branch"),
            "path": path,
        }

    def look(self, home: Home, settings: Mapping[str, Any], seen: Mapping[str, Any] | None) -> Sighting:
        """See `TriggerSource`; a file that is not there yet has no hash, and its coming is a change."""
        address, branch, path = settings["repository"], settings["branch"], settings["path"]
        commit = head_of(address, branch)
        if seen is not None and seen["commit"] == commit:
            return Sighting(cursor=dict(seen))
        found = _hash_at(home, address, branch, commit, path)
        cursor = {"commit": commit, "hash": found}
        if seen is None or found is None or seen["hash"] == found:
            return Sighting(cursor=cursor)
        where = {"repository": without_password(address), "branch": branch, "path": path}
        return Sighting(cursor=cursor, key=f"data:{commit}:{found}", cause={**where, **cursor})


def _hash_at(home: Home, address: str, branch: str, commit: str, path: str) -> str | None:
    """`md5:...` as a `.dvc` file says; of another file git's own name of its content."""
    with tempfile.TemporaryDirectory(dir=home.work, prefix="look-") as folder:
        repository = Path(folder) / "repository"
        clone(address, repository, branch=branch)
        blob = blob_at(repository, commit, path)
        text = small_content(repository, blob, place=path) if blob and path.endswith(".dvc") else ""
    named = _MD5.search(text)
    return f"md5:{named[1]}" if named else blob and f"git:{blob}"
