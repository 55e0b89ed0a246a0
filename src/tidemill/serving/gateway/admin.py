"""Envoy's admin interface on its unix socket: statistics and warnings, read only."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Any

from tidemill.base.errors import Unavailable
from tidemill.serving.unix_http import ask

TIMEOUT_SECONDS = 5.0


class Admin:
    """Asks a running Envoy what it did; every method raises `Unavailable` when it does not answer."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def statistics(self, pattern: str) -> dict[str, str]:
        """The statistics whose names match a regular expression; values as text (numbers, or quoted versions)."""
        body = self._get("/stats?" + urllib.parse.urlencode({"filter": pattern}))
        pairs = (line.split(": ", 1) for line in body.decode().splitlines() if ": " in line)
        return {name: value.strip('"') for name, value in pairs}

    def is_live(self) -> bool:
        """True when it has its first configuration and serves."""
        try:
            return self._get("/ready").strip() == b"LIVE"
        except Unavailable:
            return False

    def refusals(self) -> list[str]:
        """Why it refused configuration, as far as it still knows."""
        dump = json.loads(self._get("/config_dump"))
        return list(_details(dump))

    def _get(self, path: str) -> bytes:
        try:
            answer = ask(self._path, "GET", path, timeout_seconds=TIMEOUT_SECONDS)
        except Unavailable as problem:
            raise Unavailable(
                f"the gateway does not answer: {problem.message}", place=str(self._path), remedy="tidemill status"
            ) from problem
        if answer.status != 200 and not path.startswith("/ready"):
            raise Unavailable(f"the gateway answered {answer.status} to {path}", place=str(self._path))
        return answer.body


def _details(value: Any) -> Any:
    """Every `error_state.details` inside a configuration dump."""
    if isinstance(value, dict):
        error = value.get("error_state")
        if isinstance(error, dict) and error.get("details"):
            yield str(error["details"])
        for inner in value.values():
            yield from _details(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _details(inner)
