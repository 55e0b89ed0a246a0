"""The site's side of data for a part of the site itself."""

from __future__ import annotations

from tidemill.access import Actor
from tidemill.artifacts.pack import Parcel
from tidemill.base.site import Site
from tidemill.data.model import DataOffer, KnownVersion, SeenVersion
from tidemill.data.record import record_version
from tidemill.data.take import Limits, Upload, known_artifact
from tidemill.data.versions import list_versions

NO_LIMITS = Limits(upload_bytes=2**62, floor_bytes=0)


class OwnSite:
    """A `DataSite` without a connection: the verbs themselves."""

    def __init__(self, site: Site, actor: Actor) -> None:
        self._site, self._actor = site, actor

    def find_version(self, repository: str, path: str, content_hash: str) -> KnownVersion | None:
        """See `DataSite`."""
        wanted = {"repository": repository, "path": path, "hash": content_hash}
        found = list_versions(self._site, self._actor, filters=wanted, page_size=1).items
        return found[0] if found else None

    def record_version(self, seen: SeenVersion) -> KnownVersion:
        """See `DataSite`."""
        return record_version(self._site, self._actor, seen)

    def known_artifact(self, offer: DataOffer) -> str | None:
        """See `DataSite`."""
        found = known_artifact(self._site, self._actor, offer)
        return None if found is None else found.id

    def send(self, offer: DataOffer, parcel: Parcel) -> str:
        """See `DataSite`."""
        upload = Upload(self._site, self._actor, offer, NO_LIMITS, length_bytes=parcel.length_bytes)
        try:
            for piece in parcel:
                upload.feed(piece)
            return upload.finish().id
        finally:
            upload.close()
