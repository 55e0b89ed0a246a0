"""The verb ensure_tool: a program of others in a venv of its own, from a requirements file that we carry."""

from __future__ import annotations

import importlib.resources
from typing import TYPE_CHECKING

from tidemill.base.errors import NotFound
from tidemill.locks.interpreter import platform_name
from tidemill.locks.model import Lock, Venv, running_python
from tidemill.locks.venvs import ensure_venv

if TYPE_CHECKING:  # it brings SQLAlchemy, which compiling a notebook must not load
    from tidemill.base.site import Site


def ensure_tool(site: Site, name: str) -> Venv:
    """The venv of a tool (`dvc`), made at the first use from its hash-locked file in `tool_requirements`.

    Raises `NotFound` for a tool that we do not carry, and what `ensure_venv` raises.
    """
    path = importlib.resources.files("tidemill.locks") / "tool_requirements" / f"{name}.txt"
    if not name.isidentifier() or not path.is_file():
        raise NotFound(f"there is no tool {name!r}")
    text = path.read_text(encoding="utf-8")
    return ensure_venv(site, Lock(text=text, python_version=running_python(), platform=platform_name()))
