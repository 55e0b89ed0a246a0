"""What can be wrong with a stored artifact."""

from __future__ import annotations

from tidemill.base.errors import TidemillError


class CorruptArtifact(TidemillError):
    """The bytes of a blob are missing or are not those its digest names; nothing may use them."""

    code, http_status, exit_status = "corrupt_artifact", 500, 8
