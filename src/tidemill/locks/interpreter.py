"""Finding the Python that a lock asks for."""

from __future__ import annotations

import subprocess
import sys
import sysconfig

from tidemill.base.errors import InvalidInput
from tidemill.locks.model import running_python
from tidemill.locks.uv import find_uv


def platform_name() -> str:
    """This platform as locks name it: `linux-x86_64`."""
    return sysconfig.get_platform()


def find_interpreter(python: str) -> str:
    """The path of an interpreter of that minor version; ours when it fits, else one that uv finds on the machine.

    Raises `InvalidInput` when there is none. None is downloaded: which Python runs is the owner's decision.
    """
    if python == running_python():
        return sys.executable
    found = subprocess.run(
        [find_uv(), "python", "find", "--no-project", "--no-python-downloads", python],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode != 0:
        raise InvalidInput(
            f"there is no Python {python} on this machine",
            place="requirements",
            remedy=f"install it (uv python install {python}, or your system's packages), or ask for {running_python()}",
        )
    return found.stdout.strip()
