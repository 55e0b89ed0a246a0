"""Reading `.dvc` files (https://dvc.org/doc/user-guide/project-structure/dvc-files): one output, hashed by DVC 3."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput

SUFFIX = ".dvc"
_PIECE_BYTES = 1 << 20
_MAX_BYTES = 1 << 20
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DvcFile:
    """What a `.dvc` file names: the content with this hash belongs at this path."""

    path: Path  # of the file itself
    data_path: Path
    hash: str  # `md5:<hex>`, for a folder `md5:<hex>.dir`
    size_bytes: int
    file_count: int

    @property
    def is_folder(self) -> bool:
        """True when the content is a folder."""
        return self.hash.endswith(".dir")


def read_dvc_file(path: Path) -> DvcFile:
    """Parse a `.dvc` file; `InvalidInput` when it is not one of DVC 3 with one output."""
    import yaml  # only where a .dvc file is read

    try:
        with path.open("rb") as file:
            parsed = yaml.safe_load(file.read(_MAX_BYTES))
    except yaml.YAMLError as problem:
        raise _not_readable(path, "it is not YAML") from problem
    outs = parsed.get("outs") if isinstance(parsed, dict) else None
    if not isinstance(outs, list) or len(outs) != 1 or not isinstance(outs[0], dict):
        raise _not_readable(path, "it does not have exactly one output")
    if parsed.get("wdir", ".") != ".":
        raise _not_readable(path, "it has a working folder elsewhere (wdir)")
    return _read_output(path, outs[0])


def _read_output(path: Path, out: dict[str, Any]) -> DvcFile:
    md5, name, size = out.get("md5"), out.get("path"), out.get("size")
    if out.get("hash") != "md5":
        raise InvalidInput(
            "was written by DVC 2, which hashed other bytes than those in the file",
            place=str(path),
            remedy=f"add the data again: tidemill data add {path.name.removesuffix(SUFFIX)}",
        )
    if not isinstance(md5, str) or not _MD5.fullmatch(md5):
        raise _not_readable(path, "it has no md5")
    if not isinstance(name, str) or "/" in name or name in ("", ".", ".."):
        raise _not_readable(path, "its output does not lie beside it")
    files = out.get("nfiles", 1)
    if not isinstance(size, int) or not isinstance(files, int):
        raise _not_readable(path, "it has no size")
    return DvcFile(path=path, data_path=path.parent / name, hash=f"md5:{md5}", size_bytes=size, file_count=files)


def hash_file(path: Path) -> str:
    """`md5:<hex>` of a file's bytes, as DVC 3 names it; about 600 MB/s."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return f"md5:{digest.hexdigest()}"


def _not_readable(path: Path, why: str) -> InvalidInput:
    return InvalidInput(f"is not a .dvc file that can be used: {why}", place=str(path), remedy="take it from git again")
