"""What DVC sees of its caller's environment: the same in a process of the caller's own and in the site's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_OF_OUR_PYTHON = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"})
_OF_THE_TERMINAL = frozenset(
    {"PWD", "OLDPWD", "SHLVL", "_", "COLUMNS", "LINES", "WINDOWID", "SSH_TTY", "SSH_CLIENT", "SSH_CONNECTION"}
)
_OF_TIDEMILL = re.compile(r"TIDEMILL_(?!PEER_)")
_UMASK = re.compile(r"^Umask:\s*([0-7]+)$", re.MULTILINE)


def handed_over(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables for DVC: all of the caller's (credentials, proxies, HOME, what git and ssh need), but not ours,
    not those of our Python, and not those that only name the terminal or the folder of the moment."""
    left_out = _OF_OUR_PYTHON | _OF_THE_TERMINAL
    return {name: value for name, value in variables.items() if name not in left_out and not _OF_TIDEMILL.match(name)}


def own_umask() -> int:
    """Which permissions new files of this process do not get; read without changing it for other threads."""
    try:
        found = _UMASK.search(Path("/proc/self/status").read_text())
    except OSError:
        found = None
    return 0o077 if found is None else int(found[1], 8)
