"""Byte-compiling a venv in the background, by a detached process of low priority."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

COMPILED_MARKER = "tidemill-compiled"

# Runs in the venv's own Python. The sync comes before the marker: a venv with a marker survives a power loss.
_PROGRAM = """
import compileall, os, sys
target, marker = sys.argv[1:]
compileall.compile_dir(target, quiet=2, workers=1)
os.sync()
open(marker, "x").close()
"""


def compile_in_background(venv: Path, python: Path, site_packages: Path) -> None:
    """Start the compilation and return at once; when it is done `COMPILED_MARKER` stands in the venv."""
    command = [str(python), "-I", "-c", _PROGRAM, str(site_packages), str(venv / COMPILED_MARKER)]
    # the shell ends at once and leaves its child to init: nobody has to wait for it
    subprocess.run(
        ["/bin/sh", "-c", 'nice -n 19 "$@" </dev/null >/dev/null 2>&1 &', "sh", *command],
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
        start_new_session=True,
        check=False,
    )
