"""The sockets of a site: made once, owned by the supervisor, inherited by who answers on them."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

from tidemill.base.errors import InvalidInput, Unavailable

BACKLOG = 1024
PORTS_TRIED = 50


def listen_unix(path: Path) -> socket.socket:
    """A listening unix socket at a path (0600); what stood there before is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def free_port(address: str, wanted: int) -> int:
    """The wanted port, or the next free one after it; 0 lets the machine choose.

    Raises `InvalidInput` for an address that is not this machine's, `Unavailable` when `PORTS_TRIED` are busy.
    """
    for port in range(wanted, min(wanted + PORTS_TRIED, 65_536)):
        with socket.socket(_family(address), socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as problem:
                if problem.errno in {errno.EADDRINUSE, errno.EACCES}:
                    continue
                raise InvalidInput(
                    f"cannot listen on {address}: {problem.strerror}", place="setting bind", remedy="use 127.0.0.1"
                ) from problem
            return int(probe.getsockname()[1])
    raise Unavailable(f"the ports {wanted} to {wanted + PORTS_TRIED - 1} are all busy", remedy="choose one with --port")


def listen_tcp(address: str, port: int) -> socket.socket:
    """A listening TCP socket, for a site without a gateway."""
    listener = socket.socket(_family(address), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
