"""The verb switch: new clusters, then routes, confirmed by Envoy itself, then the old clusters go."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tidemill.base.errors import Unavailable
from tidemill.serving.gateway import resources
from tidemill.serving.gateway.admin import Admin
from tidemill.serving.gateway.figures import Figures
from tidemill.serving.gateway.model import GatewayPlace, ServiceRoute
from tidemill.serving.gateway.place import Guard, replace_file

CONFIRM_SECONDS = 5.0
DRAIN_SECONDS = 30.0
POLL_SECONDS = 0.003
_CLUSTER_STATS = r"^cluster_manager\.(cds\.(version_text|update_rejected|update_failure)|warming_clusters)$"
_ROUTE_STATS = (
    rf"^http\.{resources.STAT_PREFIX}\.rds\.{resources.ROUTE_TABLE}\.(version_text|update_rejected|update_failure)$"
)


class Gateway:
    """A running Envoy, changed through its watched files. One process of a site may hold it at a time: `guard` refuses
    whoever holds it no more, at the moment when a file is moved to its place."""

    def __init__(self, place: GatewayPlace, server_socket: Path, guard: Guard = nullcontext) -> None:
        self._place = place
        self._server_socket = server_socket
        self._guard = guard
        self._admin = Admin(place.admin)
        self._lock = threading.Lock()
        self._version = _version_in(place.clusters)

    def is_live(self) -> bool:
        """True when Envoy serves."""
        return self._admin.is_live()

    def switch(self, services: Sequence[ServiceRoute]) -> None:
        """Route as `services` say, in one atomic change of the routes (about 4 ms); old clusters stay for `retire`.

        Raises `Unavailable` when Envoy refuses or does not confirm; the routes are then as before.
        """
        with self._lock:
            wanted = {target.cluster: target for service in services for target in service.targets}
            clusters = {name: resources.predictor_cluster(target) for name, target in wanted.items()}
            known = self._known_clusters()
            if any(known.get(name) != cluster for name, cluster in clusters.items()):
                self._write(
                    self._place.clusters,
                    [resources.server_cluster(self._server_socket), *({**known, **clusters}).values()],
                    _CLUSTER_STATS,
                    _clusters_are_active,
                )
            table = resources.route_table(sorted(services, key=lambda service: service.audience))
            self._write(self._place.routes, [table], _ROUTE_STATS, _is_at_version)

    def retire(self, clusters: Sequence[str], *, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Wait until the clusters, which no route names any more, have finished their requests; then forget them."""
        deadline = time.monotonic() + drain_seconds
        while any(self.active_requests(name) for name in clusters) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS * 10)
        with self._lock:
            known = {name: cluster for name, cluster in self._known_clusters().items() if name not in clusters}
            content = [resources.server_cluster(self._server_socket), *known.values()]
            self._write(self._place.clusters, content, _CLUSTER_STATS, _clusters_are_active)

    def figures(self, clusters: Sequence[str]) -> dict[str, Figures]:
        """What Envoy counted for each cluster; `Unavailable` when it does not answer."""
        return self._admin.figures(clusters)

    def active_requests(self, cluster: str) -> int:
        """Requests that a cluster is answering now; 0 for one that is not known."""
        name = f"cluster.{cluster}.upstream_rq_active"
        pattern = "^" + name.replace(".", r"\.") + "$"
        return int(self._admin.statistics(pattern).get(name, "0"))

    def _known_clusters(self) -> dict[str, dict[str, Any]]:
        """The predictor clusters in the watched file, by name."""
        found = json.loads(self._place.clusters.read_bytes())["resources"]
        return {cluster["name"]: cluster for cluster in found if cluster["name"] != resources.SERVER_CLUSTER}

    def _write(
        self,
        path: Path,
        content: list[dict[str, Any]],
        pattern: str,
        confirmed: Callable[[dict[str, str], str], bool],
    ) -> None:
        before = path.read_bytes()
        refused = _refused(self._admin.statistics(pattern))
        self._version = max(self._version, _version_in(path)) + 1
        version = str(self._version)
        replace_file(path, resources.response(version, content), self._guard)
        deadline = time.monotonic() + CONFIRM_SECONDS
        while True:
            now = self._admin.statistics(pattern)
            if confirmed(now, version):
                return
            if _refused(now) > refused or time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        told = "; ".join(self._admin.refusals()) or "it gave no reason in time"
        replace_file(path, json.loads(before), self._guard)
        raise Unavailable(
            f"the gateway did not take the new {path.stem}: {told[:500]}",
            place=str(path),
            remedy="the routes are as before; see logs/gateway.log in the home",
        )


def _clusters_are_active(now: dict[str, str], version: str) -> bool:
    warming = now.get("cluster_manager.warming_clusters", "0")
    return now.get("cluster_manager.cds.version_text") == version and warming == "0"


def _is_at_version(now: dict[str, str], version: str) -> bool:
    return any(name.endswith(".version_text") and value == version for name, value in now.items())


def _refused(now: dict[str, str]) -> int:
    return sum(int(value) for name, value in now.items() if name.endswith((".update_rejected", ".update_failure")))


def _version_in(path: Path) -> int:
    try:
        return int(json.loads(path.read_bytes())["version_info"])
    except (OSError, ValueError, KeyError):
        return 0
