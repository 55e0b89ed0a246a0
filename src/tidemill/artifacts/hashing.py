"""sha256 of files, in pieces."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

_PIECE_BYTES = 1 << 20


def digest_stream(stream: BinaryIO) -> tuple[str, int]:
    """The digest of what is left of a stream, and how many bytes that was."""
    found = hashlib.sha256()
    buffer = memoryview(bytearray(_PIECE_BYTES))
    size = 0
    while count := stream.readinto(buffer):  # type: ignore[attr-defined]  # raw and buffered readers have it
        found.update(buffer[:count])
        size += count
    return "sha256:" + found.hexdigest(), size


def digest_file(path: Path) -> tuple[str, int]:
    """The digest and size of a file."""
    with open(path, "rb", buffering=0) as stream:
        return digest_stream(stream)
