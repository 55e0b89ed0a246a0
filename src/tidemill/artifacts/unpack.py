"""Receiving bytes on disk, hashed on their way: a file, or a folder from a tar stream by an extractor of our own."""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidemill.artifacts.manifest import Entry, EntryKind
from tidemill.artifacts.pack import BLOCK_BYTES
from tidemill.base.errors import InvalidInput

MOST_ENTRIES = 100_000
MAX_PATH_BYTES = 1_000
MAX_DEPTH = 50
MAX_PAX_BYTES = 1 << 16
_PLACE = "tar stream"
_REMEDY = "send regular files and folders with relative names only, as tar --format=pax writes them"
_PAX_RECORD = re.compile(rb"(\d{1,6}) ([^=\n]{1,100})=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A file that was written: its digest, its md5 as DVC counts it (hex digits), its size."""

    digest: str
    md5: str
    size_bytes: int


class Receiver(Protocol):
    """Takes pieces of any length, writes them, and says at the end what it was."""

    def feed(self, piece: bytes) -> None:
        """Take the next bytes; raises OSError, and `InvalidInput` for what may not be there."""

    def finish(self) -> Mapping[str, Received]:
        """Close; the files by their path, "" for a single one. `InvalidInput` when bytes are missing."""

    def entries(self) -> tuple[Entry, ...]:
        """What was received, as a manifest names it."""

    def close(self) -> None:
        """Let go of what is open, whatever happened."""


class FileReceiver:
    """A `Receiver` of one file at a path where nothing is yet."""

    def __init__(self, target: Path, mode: int = 0o600) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(target, flags, mode), "wb")
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self._size = 0

    def feed(self, piece: bytes) -> None:
        """See `Receiver`."""
        self._file.write(piece)
        self._sha256.update(piece)
        self._md5.update(piece)
        self._size += len(piece)

    def finish(self) -> Mapping[str, Received]:
        """See `Receiver`."""
        self._file.close()
        return {"": self.received}

    @property
    def received(self) -> Received:
        """What has come so far."""
        digest = f"sha256:{self._sha256.hexdigest()}"
        return Received(digest=digest, md5=self._md5.hexdigest(), size_bytes=self._size)

    def entries(self) -> tuple[Entry, ...]:
        """See `Receiver`."""
        told = self.received
        return (Entry(path="", kind=EntryKind.FILE, digest=told.digest, size_bytes=told.size_bytes),)

    def close(self) -> None:
        """See `Receiver`."""
        self._file.close()


class FolderReceiver:
    """A `Receiver` of a tar stream into a new folder: regular files and folders only, each name once, all bounded.

    Nothing is read ahead and no link is ever made, so that no name leads out of the folder.
    """

    def __init__(self, target: Path) -> None:
        target.mkdir(mode=0o700)
        self._root = target
        self._buffer = bytearray()
        self._entries: dict[str, Entry] = {}
        self._received: dict[str, Received] = {}
        self._pax: dict[str, str] = {}
        self._file: FileReceiver | None = None
        self._path, self._mode = "", 0
        self._left = 0  # bytes of the file or the pax record under way
        self._padding = 0
        self._is_pax = self._is_over = False

    def feed(self, piece: bytes) -> None:
        """See `Receiver`."""
        self._buffer += piece
        while self._turn():
            pass

    def finish(self) -> Mapping[str, Received]:
        """See `Receiver`."""
        if not self._is_over or self._file is not None:
            raise InvalidInput("the tar stream ends before its end", place=_PLACE, remedy="send it again")
        return self._received

    def entries(self) -> tuple[Entry, ...]:
        """See `Receiver`."""
        return tuple(self._entries.values())

    def close(self) -> None:
        """See `Receiver`."""
        if self._file is not None:
            self._file.close()

    def _turn(self) -> bool:
        """Use up what is in the buffer, one step; False when more bytes are needed for the next."""
        if self._is_over:  # what stands after the end is padding
            if self._buffer.strip(b"\0"):
                raise InvalidInput("there are bytes after the end of the tar stream", place=_PLACE, remedy=_REMEDY)
            self._buffer.clear()
            return False
        if self._file is not None and self._left:
            return self._write()
        if self._is_pax:
            return self._read_pax()
        if self._padding:
            skipped = min(self._padding, len(self._buffer))
            del self._buffer[:skipped]
            self._padding -= skipped
            return skipped > 0
        if len(self._buffer) < BLOCK_BYTES:
            return False
        block = bytes(self._buffer[:BLOCK_BYTES])
        del self._buffer[:BLOCK_BYTES]
        self._begin(block)
        return True

    def _begin(self, block: bytes) -> None:
        if not any(block):
            self._is_over = True
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as problem:
            raise InvalidInput(f"is not a tar stream: {problem}", place=_PLACE, remedy=_REMEDY) from problem
        if info.type == tarfile.XHDTYPE:
            if not 0 < info.size <= MAX_PAX_BYTES or self._pax:
                raise InvalidInput("a pax record is too large, or one too many", place=_PLACE, remedy=_REMEDY)
            self._is_pax, self._left = True, info.size
            return
        size = _number(self._pax.get("size"), info.size)
        path = self._pax.get("path", info.name)
        self._pax = {}
        if info.type == tarfile.DIRTYPE:
            self._make_folder(path.rstrip("/"), size)
        elif info.type in {tarfile.REGTYPE, tarfile.AREGTYPE}:
            self._make_file(path, size, is_executable=bool(info.mode & 0o100))
        else:
            raise InvalidInput(f"{path[:200]!r} is neither a file nor a folder", place=_PLACE, remedy=_REMEDY)

    def _make_folder(self, path: str, size: int) -> None:
        if path in {"", "."} and not size:
            return
        name = self._checked(path)
        if size:
            raise InvalidInput("a folder has no bytes of its own", place=_PLACE, remedy=_REMEDY)
        (self._root / name).mkdir(mode=0o700)
        self._entries[name] = Entry(path=name, kind=EntryKind.FOLDER)

    def _make_file(self, path: str, size: int, *, is_executable: bool) -> None:
        name = self._checked(path)
        self._file = FileReceiver(self._root / name, 0o700 if is_executable else 0o600)
        self._path, self._left, self._padding = name, size, -size % BLOCK_BYTES
        self._entries[name] = Entry(path=name, kind=EntryKind.FILE, executable=is_executable)
        if not size:
            self._end_file()

    def _write(self) -> bool:
        assert self._file is not None
        piece = bytes(self._buffer[: self._left])
        if not piece:
            return False
        del self._buffer[: self._left]
        self._file.feed(piece)
        self._left -= len(piece)
        if not self._left:
            self._end_file()
        return True

    def _end_file(self) -> None:
        assert self._file is not None
        (received,) = self._file.finish().values()
        self._file = None
        self._received[self._path] = received
        self._entries[self._path] = Entry(
            path=self._path,
            kind=EntryKind.FILE,
            digest=received.digest,
            size_bytes=received.size_bytes,
            executable=self._entries[self._path].executable,
        )

    def _read_pax(self) -> bool:
        whole = self._left + -self._left % BLOCK_BYTES
        if len(self._buffer) < whole:
            return False
        self._pax = _pax_values(bytes(self._buffer[: self._left]))
        del self._buffer[:whole]
        self._is_pax, self._left = False, 0
        return True

    def _checked(self, path: str) -> str:
        """The name to write to; `InvalidInput` for one that leads out, is there already, or is one too many."""
        name = path.removeprefix("./")
        parts = name.split("/")
        shown = f"{path[:200]!r}"
        if not name or "\0" in name or len(name.encode()) > MAX_PATH_BYTES or len(parts) > MAX_DEPTH:
            raise InvalidInput(f"{shown} is no name for a file here", place=_PLACE, remedy=_REMEDY)
        if name.startswith("/") or any(part in {"", ".", ".."} for part in parts):
            raise InvalidInput(f"{shown} leads out of the folder", place=_PLACE, remedy=_REMEDY)
        if any(len(part.encode()) > 255 for part in parts):
            raise InvalidInput(f"{shown} has too long a part", place=_PLACE, remedy=_REMEDY)
        if name in self._entries:
            raise InvalidInput(f"{shown} stands there twice", place=_PLACE, remedy=_REMEDY)
        for depth in range(1, len(parts)):  # a folder without an entry of its own gets one
            folder = "/".join(parts[:depth])
            known = self._entries.get(folder)
            if known is None:
                self._make_folder(folder, 0)
            elif known.kind is not EntryKind.FOLDER:
                raise InvalidInput(f"{shown} lies in a file", place=_PLACE, remedy=_REMEDY)
        if len(self._entries) >= MOST_ENTRIES:
            raise InvalidInput(f"has more than {MOST_ENTRIES} files and folders", place=_PLACE, remedy="send fewer")
        return name


def _pax_values(record: bytes) -> dict[str, str]:
    """The path and the size of a pax extended header: `LENGTH KEY=VALUE\\n`, repeated."""
    found: dict[str, str] = {}
    while record:
        head = _PAX_RECORD.match(record)
        length = int(head[1]) if head is not None else 0
        if head is None or not head.end() < length <= len(record) or record[length - 1 : length] != b"\n":
            raise InvalidInput("a pax record cannot be read", place=_PLACE, remedy=_REMEDY)
        if head[2] in {b"path", b"size"}:
            try:
                found[head[2].decode()] = record[head.end() : length - 1].decode()
            except UnicodeDecodeError as problem:
                raise InvalidInput("a name is not UTF-8", place=_PLACE, remedy=_REMEDY) from problem
        record = record[length:]
    return found


def _number(text: str | None, otherwise: int) -> int:
    number = otherwise if text is None else int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
    if number < 0:
        raise InvalidInput("a size cannot be read", place=_PLACE, remedy=_REMEDY)
    return number
