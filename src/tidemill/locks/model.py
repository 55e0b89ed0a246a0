"""The nouns of locks: requirements, their lock, the venv made from it, and a container command taken apart."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tidemill.base.canonical import digest_json


def running_python() -> str:
    """The Python version of this process, as locks name it: `3.11`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """Package indexes that a component itself names, on top of the machine's pip settings (pip's own options)."""

    index_url: str | None = None  # replaces the machine's
    extra_index_urls: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What a step, model or notebook asks for: PEP 508 lines, each a name with versions, never an address.

    `lines` are installed with what they depend on, `without_dependencies` alone (pip's `--no-deps`). `python` is a
    minor version such as `3.11`.
    """

    lines: tuple[str, ...] = ()
    python: str = field(default_factory=running_python)
    without_dependencies: tuple[str, ...] = ()
    indexes: Indexes = Indexes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Every distribution with its exact version and hashes; `text` has no addresses (pip's requirements format)."""

    text: str
    python_version: str  # minor version, such as 3.11
    platform: str  # such as linux-x86_64
    indexes: Indexes = Indexes()  # where to look first; no part of the digest, since the hashes say what is taken

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of text, Python version and platform."""
        return digest_json(
            {"schema_version": 1, "text": self.text, "python": self.python_version, "platform": self.platform}
        )

    @property
    def packages(self) -> dict[str, str]:
        """Normalised name to exact version."""
        pinned = (line.split(";")[0].rstrip(" \\") for line in self.text.splitlines() if line[:1].isalnum())
        return dict(entry.split("==", 1) for entry in pinned if "==" in entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Venv:
    """A finished virtual environment: its folder, its interpreter, and the folder that holds `tidemill_runtime`."""

    path: Path
    python: Path
    lock_digest: str
    runtime: Path


class StepKind(StrEnum):
    """Which program a container step turned out to be."""

    KFP = "kfp"  # a KFP lightweight component: its executor runs `source`
    RUNTIME = "runtime"  # a step of our own: the module tidemill_runtime.step runs
    PLAIN = "plain"  # any other program that only wanted packages installed first


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCommand:
    """A container command taken apart, so that neither a shell nor pip has to run.

    `module` is what `python -m` would run (None for PLAIN), `argv` its arguments, for KFP without
    `--component_module_path`, whose file has the text `source`; for PLAIN `argv` is the whole command line.
    Placeholders stand in `source` and `argv` as they were written.
    """

    requirements: Requirements
    kind: StepKind
    module: str | None
    source: str | None
    argv: tuple[str, ...]
