"""The dashboard's own unit tests, and its types against the API as it is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import hatch_build

ROOT = Path(__file__).parents[2]


def npm(*words: str) -> None:
    """A script of `ui/` with the Node that builds it."""
    folders = [*hatch_build.node_folders(), os.environ.get("PATH", "")]
    done = subprocess.run(
        ["npm", *words],
        cwd=ROOT / "ui",
        env={**os.environ, "PATH": os.pathsep.join(folders), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_dashboard_is_built_from_these_sources() -> None:
    assert hatch_build.is_built(ROOT), "run scripts/setup tests: the pages that are served are not those of ui/"


def test_the_logic_of_the_pages() -> None:
    if not (ROOT / "ui" / "node_modules").is_dir():
        npm("ci", "--no-audit", "--no-fund")
    npm("test", "--silent")


def test_pages_do_not_import_each_other() -> None:
    pages = sorted((ROOT / "ui" / "src" / "pages").glob("*.tsx"))
    assert len(pages) > 10
    assert [page.name for page in pages if 'from "./' in page.read_text()] == []
