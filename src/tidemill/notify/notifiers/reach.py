"""Where a webhook may go: names are resolved and judged here, and the connection is made to what was judged."""

from __future__ import annotations

import ipaddress
import socket

from tidemill.base.errors import Unavailable
from tidemill.base.outbox import Undeliverable

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(text: str) -> bool:
    """True for an address of the open internet, also where one address stands inside another."""
    found = ipaddress.ip_address(text.partition("%")[0])
    return all(each.is_global and not each.is_multicast for each in _with_inner(found))


def _with_inner(found: Ip) -> list[Ip]:
    if isinstance(found, ipaddress.IPv4Address):
        return [found]
    if found.ipv4_mapped is not None:  # the outer one is no more than a way to write it
        return [found.ipv4_mapped]
    inner: list[Ip | None] = [found, found.sixtofour, found.teredo[1] if found.teredo else None]
    if found in ipaddress.ip_network("64:ff9b::/96"):
        inner.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
    return [each for each in inner if each is not None]


def reachable_address(host: str, port: int, *, allow_private: bool) -> str:
    """An address of a host that may be connected to; `Unavailable` when it has none, `Undeliverable` for a private one.

    One private address among public ones is enough to refuse: a name that changes its mind is not to be trusted.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise Unavailable(f"the name {host[:100]!r} is not known", place="webhook") from problem
    addresses = [str(each[4][0]) for each in found]
    if not allow_private and not all(is_public(each) for each in addresses):
        raise Undeliverable(
            f"{host[:100]} is an address of this machine or network",
            place="webhook",
            remedy="allow such addresses with the setting notify_private_addresses",
        )
    return addresses[0]
