"""The copy of `tidemill_runtime` that steps and predictors import, named by its content."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.base.canonical import digest_bytes, digest_json
from tidemill.base.errors import StorageFull, Unavailable

if TYPE_CHECKING:  # it brings SQLAlchemy, which compiling a notebook must not load
    from tidemill.base.site import Site

PACKAGE = "tidemill_runtime"


def runtime_path(site: Site) -> Path:
    """The folder to put on a step's `sys.path` so that `tidemill_runtime` can be imported; made once per content.

    Raises `Unavailable` when the package is not installed, `StorageFull` when the copy cannot be written.
    """
    source = _installed()
    files = sorted(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    content = {path.relative_to(source).as_posix(): path.read_bytes() for path in files}
    digest = digest_json({name: digest_bytes(data) for name, data in content.items()})
    target = site.home.path / "runtime" / digest.removeprefix("sha256:")[:32]
    if not target.exists():
        try:
            _write(target, target.with_name(f".{site.ids.new()}"), content)
        except OSError as problem:
            raise StorageFull(
                f"the runtime cannot be copied: {problem.strerror}", place=str(target), remedy="free some space"
            ) from problem
    return target


def _installed() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Unavailable(f"{PACKAGE} is not installed", remedy="pip install --force-reinstall tidemill-runtime")
    return Path(spec.origin).parent


def _write(target: Path, temporary: Path, content: dict[str, bytes]) -> None:
    try:
        for name, data in content.items():
            path = temporary / PACKAGE / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        temporary.rename(target)
    except OSError:
        if not target.exists():  # else another process was first with the same content
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
