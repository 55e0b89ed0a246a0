"""Running uv with pip's settings, and putting its complaints into our errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tidemill.base.errors import InvalidInput, StorageFull, TidemillError, Unavailable
from tidemill.locks.model import Indexes
from tidemill.locks.pip_settings import (
    PipSettings,
    pip_files,
    read_pip_settings,
    uv_variables,
    with_indexes,
    without_default_index,
    without_extra,
    without_missing_folders,
)

TIMEOUT_SECONDS = 1_800
SYSTEM_CERTIFICATES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Ubuntu, Alpine
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Fedora, RHEL
    Path("/etc/ssl/ca-bundle.pem"),  # SUSE
)
MAX_MESSAGE_LINES = 8
_FULL = ("No space left on device", "os error 28", "Disk quota exceeded", "os error 122")
_NETWORK = re.compile(
    r"error sending request|dns error|tcp connect error|Connection refused|timed out|operation timed out"
    r"|HTTP status (server error|client error \(40[13])|network is unreachable|connection reset|certificate",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?://[^\s`'\")]+")
_DECORATION = re.compile(r"^[\s×├╰─▶│╭·]+|^(error|cause|hint|warning):\s*", re.IGNORECASE)
_SECRET = re.compile(r"://[^/@\s]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class UvFailure:
    """How uv failed: its essential lines, without decoration and without secrets."""

    lines: tuple[str, ...]
    raw: str

    @property
    def is_network(self) -> bool:
        """True when an address did not answer as an index does."""
        return bool(_NETWORK.search(self.raw))

    @property
    def address(self) -> str | None:
        """The first address in the complaint."""
        found = _ADDRESS.search(self.raw)
        return None if found is None else found.group()


def run_uv(arguments: Sequence[str], *, indexes: Indexes, stdin: str, place: str) -> str:
    """Run uv and return its standard output.

    An index that does not answer is passed over while another one is left, as pip does; what uv has in its cache is
    used when nothing answers. Raises `InvalidInput` (with uv's essential lines), `Unavailable` or `StorageFull`.
    """
    settings = without_missing_folders(
        with_indexes(read_pip_settings(os.environ, pip_files(os.environ, Path(sys.prefix))), indexes)
    )
    silent: list[str] = []
    while True:
        outcome = _call(arguments, settings, stdin)
        if isinstance(outcome, str):
            return outcome
        if not outcome.is_network:
            raise _translate(outcome, silent, place)
        cached = _call([*arguments, "--offline"], settings, stdin)
        if isinstance(cached, str):
            return cached
        silent.append(_host(outcome.address))
        rest = _pass_over(settings, outcome.address)
        if rest is None:
            raise _translate(outcome, silent, place)
        settings = rest


def find_uv() -> str:
    """The uv program; `Unavailable` when its package is damaged."""
    import uv  # a wrapper that looks for its program: only when one is wanted

    try:
        return str(uv.find_uv_bin())
    except FileNotFoundError as problem:
        raise Unavailable(
            "the program uv is missing", remedy="reinstall it: pip install --force-reinstall uv"
        ) from problem


def uv_environment(settings: PipSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of uv: the caller's less what points into its own Python, pip's settings below uv's own.

    As pip does, it believes the certificates of the system, where a company puts its own.
    """
    believes_system = any(path.exists() for path in SYSTEM_CERTIFICATES)
    kept = {name: value for name, value in environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    return {
        "UV_HTTP_RETRIES": "2",
        "UV_PYTHON_DOWNLOADS": "never",
        # the newer and the older name of one setting
        **({"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"} if believes_system else {}),
        **uv_variables(settings),
        **kept,
        **({"SSL_CERT_FILE": settings.cert} if settings.cert else {}),
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
    }


def _call(arguments: Sequence[str], settings: PipSettings, stdin: str) -> str | UvFailure:
    with tempfile.TemporaryDirectory(prefix="tidemill-uv-") as empty:  # no pyproject.toml or uv.toml of a project
        try:
            done = subprocess.run(
                # for this one uv has no variable
                [find_uv(), *arguments, *(["--no-index"] if settings.no_index else [])],
                input=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                cwd=empty,
                env=uv_environment(settings, os.environ),
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return UvFailure(lines=(f"uv timed out after {TIMEOUT_SECONDS} s",), raw="timed out")
    if done.returncode == 0:
        return done.stdout
    raw = _SECRET.sub("://***@", done.stderr)
    lines = (_DECORATION.sub("", _DECORATION.sub("", line)).strip() for line in raw.splitlines())
    return UvFailure(lines=tuple(line for line in lines if line), raw=raw)


def _pass_over(settings: PipSettings, address: str | None) -> PipSettings | None:
    """The settings less the index that did not answer; None when none is left."""
    if address is None:
        return None
    host = _host(address)
    for extra in (*settings.extra_index_urls, *settings.find_links):
        if "://" in extra and _host(extra) == host:
            return without_extra(settings, extra)
    if settings.no_index:  # what is left are folders: it was none of ours that did not answer
        return None
    rest = without_default_index(settings)
    return None if rest.no_index and not rest.find_links else rest


def _translate(failure: UvFailure, silent: list[str], place: str) -> TidemillError:
    message = "\n".join(failure.lines[:MAX_MESSAGE_LINES]) or "uv failed without a word"
    if any(mark in failure.raw for mark in _FULL):
        return StorageFull(message, place=place, remedy="free some space (uv cache prune helps), then try again")
    if silent:
        return Unavailable(
            f"the package index {' and '.join(dict.fromkeys(silent))} does not answer: {message}",
            place=place,
            remedy="check the network, the proxy and pip's index settings (pip config list), then try again",
        )
    return InvalidInput(message, place=place, remedy="correct the requirement, or ask for other versions")


def _host(address: str | None) -> str:
    return "" if address is None else urlsplit(address).netloc.rsplit("@", 1)[-1]
