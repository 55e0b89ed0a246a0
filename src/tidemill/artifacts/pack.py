"""Packing a file or folder for its way to a site: what it is, how long, and its bytes in pieces."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tidemill.artifacts import manifest
from tidemill.artifacts.hashing import digest_file
from tidemill.artifacts.manifest import Entry, EntryKind
from tidemill.artifacts.model import Content, ContentKind
from tidemill.base.canonical import digest_bytes
from tidemill.base.errors import Conflict, InvalidInput

FILE_TYPE = "application/octet-stream"
FOLDER_TYPE = "application/x-tar"
PIECE_BYTES = 1 << 20
BLOCK_BYTES = tarfile.BLOCKSIZE
_END = bytes(2 * BLOCK_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A file, or the entries of a folder as a tar stream. Links were followed: it has files and folders only."""

    path: Path
    content: Content
    entries: tuple[Entry, ...]

    @property
    def media_type(self) -> str:
        """What the pieces together are."""
        return FILE_TYPE if self.content.kind is ContentKind.FILE else FOLDER_TYPE

    @property
    def length_bytes(self) -> int:
        """How many bytes the pieces have together."""
        if self.content.kind is ContentKind.FILE:
            return self.content.size_bytes
        return sum(len(_header(one)) + one.size_bytes + _padding(one.size_bytes) for one in self.entries) + len(_END)

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, at most `PIECE_BYTES` at a time; `Conflict` when a file is longer or shorter than it was."""
        if self.content.kind is ContentKind.FILE:
            yield from _bytes_of(self.path, self.content.size_bytes)
            return
        for entry in self.entries:
            yield _header(entry)
            if entry.kind is EntryKind.FILE:
                yield from _bytes_of(self.path / entry.path, entry.size_bytes)
                yield bytes(_padding(entry.size_bytes))
        yield _END


def pack_file(path: Path) -> Parcel:
    """A file, hashed; raises OSError."""
    digest, size = digest_file(path)
    return Parcel(path=path, content=Content(digest=digest, size_bytes=size, kind=ContentKind.FILE), entries=())


def pack_folder(path: Path, only: Sequence[str] | None = None) -> Parcel:
    """A folder, hashed: all that is in it, or `only` these files of it; raises OSError, `InvalidInput`.

    Its digest is the one that the store gives a folder with these entries.
    """
    found = _walk(path, ()) if only is None else _with_folders(only)
    entries = tuple(sorted((_hashed(path, name, is_folder) for name, is_folder in found), key=lambda one: one.path))
    digest = digest_bytes(manifest.encode(entries))
    size = sum(entry.size_bytes for entry in entries)
    return Parcel(path=path, content=Content(digest=digest, size_bytes=size, kind=ContentKind.TREE), entries=entries)


def _walk(root: Path, above: tuple[tuple[int, int], ...], base: str = "") -> Iterator[tuple[str, bool]]:
    status = os.stat(root / base)
    here = (status.st_dev, status.st_ino)
    if here in above:
        raise InvalidInput("is a link to a folder that it lies in", place=str(root / base), remedy="remove the link")
    with os.scandir(root / base) as found:
        names = sorted(each.name for each in found)
    for name in names:
        path = f"{base}/{name}" if base else name
        is_folder = (root / path).is_dir()
        yield path, is_folder
        if is_folder:
            yield from _walk(root, (*above, here), path)


def _with_folders(files: Sequence[str]) -> Iterator[tuple[str, bool]]:
    folders = {str(folder) for name in files for folder in PurePosixPath(name).parents if str(folder) != "."}
    yield from ((folder, True) for folder in folders)
    yield from ((name, False) for name in files)


def _hashed(root: Path, name: str, is_folder: bool) -> Entry:
    try:
        name.encode()
    except UnicodeEncodeError as problem:
        raise InvalidInput("has a name that is not UTF-8", place=repr(str(root / name))) from problem
    if is_folder:
        return Entry(path=name, kind=EntryKind.FOLDER)
    path = root / name
    if not path.is_file():
        raise InvalidInput("is neither a file nor a folder", place=str(path), remedy="remove it from the data")
    digest, size = digest_file(path)
    executable = bool(os.stat(path).st_mode & 0o100)
    return Entry(path=name, kind=EntryKind.FILE, digest=digest, size_bytes=size, executable=executable)


def _header(entry: Entry) -> bytes:
    """The header blocks of an entry: plain ustar, with a pax record where the name or the size does not fit."""
    info = tarfile.TarInfo(entry.path)
    if entry.kind is EntryKind.FOLDER:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    else:
        info.size, info.mode = entry.size_bytes, 0o755 if entry.executable else 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _padding(size: int) -> int:
    return -size % BLOCK_BYTES


def _bytes_of(path: Path, size: int) -> Iterator[bytes]:
    left = size
    with open(path, "rb") as file:
        while left > 0 and (piece := file.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            yield piece
        if left or file.read(1):
            raise Conflict("changed while it was sent", place=str(path), remedy="run again when nobody writes to it")
