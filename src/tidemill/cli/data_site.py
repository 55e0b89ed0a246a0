"""The site's side of data, asked over the API: the same for a live site, one elsewhere, and the app in this process."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tidemill.artifacts.pack import Parcel
from tidemill.cli.connection import Connection
from tidemill.data import DataOffer, KnownVersion, SeenVersion

_FIELDS = (
    "id",
    "repository",
    "path",
    "dvc_file",
    "hash",
    "size_bytes",
    "file_count",
    "row_count",
    "git_commit",
)


class ApiDataSite:
    """A `DataSite` behind a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_version(self, repository: str, path: str, content_hash: str) -> KnownVersion | None:
        """See `DataSite`."""
        asked = {"repository": repository, "path": path, "hash": content_hash}
        items = self._connection.get("/data/versions", page_size=1, **asked)["items"]
        return _known(items[0]) if items else None

    def record_version(self, seen: SeenVersion) -> KnownVersion:
        """See `DataSite`."""
        return _known(self._connection.post("/data/versions", asdict(seen)))

    def known_artifact(self, offer: DataOffer) -> str | None:
        """See `DataSite`."""
        artifact = self._connection.post("/data/offers", asdict(offer))["artifact"]
        return None if artifact is None else str(artifact["id"])

    def send(self, offer: DataOffer, parcel: Parcel) -> str:
        """See `DataSite`."""
        params = {"path": offer.path, "digest": offer.digest}
        if offer.version_id is not None:
            params["version_id"] = offer.version_id
        made = self._connection.upload(
            "/data/uploads",
            parcel,
            media_type=parcel.media_type,
            length_bytes=parcel.length_bytes,
            **params,
        )
        return str(made["id"])


def _known(told: dict[str, Any]) -> KnownVersion:
    return KnownVersion(**{name: told[name] for name in _FIELDS})
