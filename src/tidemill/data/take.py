"""Taking data into the store for a run: its artifact names a dataset version only when the bytes are that version's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.artifacts import Artifact, Content, CorruptArtifact, NewArtifact, blob_store, ingest, record_artifact
from tidemill.artifacts.manifest import check_digest, encode
from tidemill.artifacts.model import ContentKind
from tidemill.artifacts.store import page_of_artifacts
from tidemill.artifacts.unpack import FileReceiver, FolderReceiver, Received, Receiver
from tidemill.base.ballast import Ballast, is_no_space
from tidemill.base.canonical import digest_bytes
from tidemill.base.errors import Conflict, InvalidInput, NotFound, StorageFull, TooLarge
from tidemill.base.site import Site
from tidemill.data.model import DataOffer, DatasetVersion
from tidemill.data.version_bytes import stored_hash, version_hash
from tidemill.data.versions import dataset_version

MAX_NAME_CHARACTERS = 256
ALIKE = 50
"""How many artifacts of the same content and path are looked at for the one that is wanted."""

SPACE_EVERY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is taken: so many bytes at a time, and so much is left free on the disk."""

    upload_bytes: int
    floor_bytes: int


def known_artifact(site: Site, actor: Actor, offer: DataOffer) -> Artifact | None:
    """The artifact of content that this namespace has already; None when the bytes have to come.

    The same content, path and version is the same artifact, so that two runs on it have the same parameters. Raises
    `Conflict` when the content is not that of the version, `NotFound` for a version, `InvalidInput`.
    """
    actor.demand(Permission.WRITE)
    version = _checked(site, actor, offer)
    alike = {"digest": offer.digest, "kind": offer.kind.value}
    with site.database.read() as connection:
        # of this namespace only: who knows no more than a digest gets nothing of another one
        found = page_of_artifacts(connection, actor.namespace_id, alike, after=None, limit=1)
    if not found or found[0].content is None:
        return None
    content = found[0].content
    try:
        held = stored_hash(blob_store(site), content)
    except CorruptArtifact:
        held = None
    if held is None:  # missing or damaged: what comes heals it
        return None
    _demand_version(offer, version, held)
    return _record(site, actor, offer, version, content)


class Upload:
    """One upload under way: fed with pieces, finished or closed. Nothing of it stays when it is not finished."""

    def __init__(self, site: Site, actor: Actor, offer: DataOffer, limits: Limits, *, length_bytes: int | None) -> None:
        """Raises as `known_artifact`, and `TooLarge` or `StorageFull` when it is plain that it does not fit."""
        actor.demand(Permission.WRITE)
        self._version = _checked(site, actor, offer)
        self._site, self._actor, self._offer, self._limits = site, actor, offer, limits
        self._length = length_bytes
        self._size = self._since_look = 0
        self._demand_size(length_bytes or 0)
        self._demand_space(length_bytes or 0)
        self._target = site.home.work / f"upload-{site.ids.new()}"
        with self._translated():
            receiver = FileReceiver if offer.kind is ContentKind.FILE else FolderReceiver
            self._receiver: Receiver = receiver(self._target)

    def feed(self, piece: bytes) -> None:
        """Write some more; raises `TooLarge`, `StorageFull`, and `InvalidInput` for what may not be in a folder."""
        self._size += len(piece)
        self._since_look += len(piece)
        self._demand_size(self._size)
        if self._since_look >= SPACE_EVERY_BYTES:
            self._since_look = 0
            self._demand_space(0)
        with self._translated():
            self._receiver.feed(piece)

    def finish(self) -> Artifact:
        """The artifact, when what came is what was offered and is of the version (`Conflict` else)."""
        if self._length is not None and self._size != self._length:
            raise InvalidInput(f"{self._size} of {self._length} bytes came", place="upload", remedy="send it again")
        with self._translated():
            received = self._receiver.finish()
            self._demand_content(received)
            _demand_version(self._offer, self._version, version_hash({path: one.md5 for path, one in received.items()}))
            content = ingest(self._site, self._target)
        return _record(self._site, self._actor, self._offer, self._version, content)

    def close(self) -> None:
        """Take away what is left of it."""
        self._receiver.close()
        if self._target.is_dir():
            shutil.rmtree(self._target)
        else:
            self._target.unlink(missing_ok=True)

    def _demand_content(self, received: Mapping[str, Received]) -> None:
        is_file = self._offer.kind is ContentKind.FILE
        digest = received[""].digest if is_file else digest_bytes(encode(self._receiver.entries()))
        if digest != self._offer.digest:
            raise Conflict(
                f"what came is not what was offered: {digest[:19]}, not {self._offer.digest[:19]}",
                place=self._offer.path,
                remedy="it changed while it was read; run again when nobody writes to it",
            )

    def _demand_size(self, size: int) -> None:
        most = self._limits.upload_bytes
        if size > most:
            raise TooLarge(
                f"has more than the {most} bytes that this site takes at a time",
                place=self._offer.path,
                remedy="raise the setting upload_limit_bytes of the site",
            )

    def _demand_space(self, more_bytes: int) -> None:
        ballast, floor = Ballast(home=self._site.home), self._limits.floor_bytes
        if (refusal := ballast.look(floor).refusal) is not None:
            raise refusal
        if ballast.look(floor + more_bytes).refusal is not None:
            raise self._no_room()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            if is_no_space(problem):
                raise self._no_room() from problem
            raise

    def _no_room(self) -> StorageFull:
        return StorageFull(
            f"has no room for {self._offer.path}",
            place=str(self._site.home.path),
            remedy="free some space, run again",
        )


def _checked(site: Site, actor: Actor, offer: DataOffer) -> DatasetVersion | None:
    """The version that the offer names; `InvalidInput` for a path or digest that is none."""
    if not 0 < len(offer.path) <= MAX_NAME_CHARACTERS or not offer.path.isprintable():
        raise InvalidInput(f"the path of data has 1 to {MAX_NAME_CHARACTERS} printable characters", place="path")
    check_digest(offer.digest)
    if offer.version_id is None:
        return None
    try:
        version = dataset_version(site, actor, offer.version_id)
    except NotFound as problem:
        raise NotFound(problem.message, place=offer.path, remedy="tidemill data list") from problem
    if version.hash.endswith(".dir") != (offer.kind is ContentKind.TREE):
        raise Conflict("a version of a folder is a folder, of a file a file", place=offer.path)
    return version


def _demand_version(offer: DataOffer, version: DatasetVersion | None, found: str) -> None:
    if version is not None and found != version.hash:
        raise Conflict(
            f"these bytes are not those of the version {version.hash[4:16]}: it changed while it was read",
            place=offer.path,
            remedy="tidemill data status",
        )


def _record(site: Site, actor: Actor, offer: DataOffer, version: DatasetVersion | None, content: Content) -> Artifact:
    """The artifact of this content, path and version, made where there is none."""
    metadata: dict[str, Any] = {"path": offer.path}
    if version is not None:
        named = ("repository", "dvc_file", "git_commit")
        metadata |= {"data_version": version.hash, **{name: getattr(version, name) for name in named}}
    alike = {"digest": content.digest, "kind": content.kind.value, "name": offer.path}
    new = NewArtifact(name=offer.path, type="system.Dataset", content=content, uri=offer.path, metadata=metadata)
    with site.database.write() as connection:
        known = page_of_artifacts(connection, actor.namespace_id, alike, after=None, limit=ALIKE)
        for one in known:
            if one.metadata == metadata and one.run_id is None:
                return one
        return record_artifact(connection, site, new, namespace_id=actor.namespace_id, created_by=actor.person)
