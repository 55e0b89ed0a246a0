"""Envoy's admin interface on its unix socket: statistics and warnings, read only."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tidemill.base.errors import Unavailable
from tidemill.serving.gateway.figures import Figures
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

    def figures(self, clusters: Sequence[str]) -> dict[str, Figures]:
        """What was counted for each cluster since Envoy, or the cluster, began; nothing for one that is not known."""
        names = "|".join(re.escape(name) for name in clusters)
        pattern = rf"^cluster\.({names})\.upstream_rq_(completed|4xx|5xx|time)$"
        asked = {"filter": pattern, "format": "json", "histogram_buckets": "cumulative"}
        stats = json.loads(self._get("/stats?" + urllib.parse.urlencode(asked)))["stats"]
        counts = {each["name"]: int(each["value"]) for each in stats if "name" in each}
        times = {each["name"]: each["buckets"] for group in stats for each in group.get("histograms", ())}
        return {
            name: Figures(
                requests=counts.get(f"cluster.{name}.upstream_rq_completed", 0),
                refused=counts.get(f"cluster.{name}.upstream_rq_4xx", 0),
                failed=counts.get(f"cluster.{name}.upstream_rq_5xx", 0),
                latencies=tuple(
                    (float(bucket["upper_bound"]), int(bucket["cumulative"]))
                    for bucket in times.get(f"cluster.{name}.upstream_rq_time", ())
                ),
            )
            for name in clusters
        }

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
