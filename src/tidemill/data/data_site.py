"""What a working folder asks of the site that keeps its versions and runs its pipelines."""

from __future__ import annotations

from typing import Protocol

from tidemill.artifacts.pack import Parcel
from tidemill.data.model import DataOffer, KnownVersion, SeenVersion


class DataSite(Protocol):
    """The site's side of data; the command line asks it over the API, wherever the site is.

    Every method raises `Forbidden`, and `Unavailable` when the site does not answer.
    """

    def find_version(self, repository: str, path: str, content_hash: str) -> KnownVersion | None:
        """The recorded version of that content of a dataset."""

    def record_version(self, seen: SeenVersion) -> KnownVersion:
        """Record a version, or the commit of one that had none; once per content of a dataset."""

    def known_artifact(self, offer: DataOffer) -> str | None:
        """The id of an artifact of this content under this path and version, None when the bytes are not there.

        Raises `Conflict` when these bytes are not those of the version.
        """

    def send(self, offer: DataOffer, parcel: Parcel) -> str:
        """Bring the bytes; the id of their artifact.

        Raises `Conflict` when what came is not what was offered or not the version, `StorageFull`, `TooLarge`.
        """
