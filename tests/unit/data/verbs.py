"""A `DataSite` without the way over the API: what the routes call, called at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from tidemill.access import Actor
from tidemill.artifacts.pack import Parcel
from tidemill.base.site import Site
from tidemill.data import DataOffer, DatasetVersion, KnownVersion, SeenVersion, list_versions, record_version
from tidemill.data.take import Limits, Upload, known_artifact

GENEROUS = Limits(upload_bytes=10_000_000, floor_bytes=0)


@dataclass
class SiteVerbs:
    """The verbs of a site for one person; `sent` has the offers whose bytes had to come."""

    site: Site
    actor: Actor
    sent: list[DataOffer] = field(default_factory=list)

    def find_version(self, repository: str, path: str, content_hash: str) -> KnownVersion | None:
        filters = {"repository": repository, "path": path, "hash": content_hash}
        found = list_versions(self.site, self.actor, filters=filters).items
        return known(found[0]) if found else None

    def record_version(self, seen: SeenVersion) -> KnownVersion:
        return known(record_version(self.site, self.actor, seen))

    def known_artifact(self, offer: DataOffer) -> str | None:
        found = known_artifact(self.site, self.actor, offer)
        return None if found is None else found.id

    def send(self, offer: DataOffer, parcel: Parcel) -> str:
        self.sent.append(offer)
        upload = Upload(self.site, self.actor, offer, GENEROUS, length_bytes=parcel.length_bytes)
        try:
            for piece in parcel:
                upload.feed(piece)
            return upload.finish().id
        finally:
            upload.close()


def known(version: DatasetVersion) -> KnownVersion:
    """A version as the API gives it."""
    fields = asdict(version)
    return KnownVersion(**{name: fields[name] for name in KnownVersion.__dataclass_fields__})
