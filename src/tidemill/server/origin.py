"""Host and Origin checks on every request: no DNS rebinding, no request forged by another page."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import Request

from tidemill.base.errors import Forbidden, InvalidInput

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "tidemill"})


class OriginCheck:
    """Refuses a request whose Host is not ours, or whose Origin is another site's."""

    def __init__(self, allowed_hosts: Collection[str]) -> None:
        self._hosts = LOOPBACK_NAMES | {host.strip().lower() for host in allowed_hosts if host.strip()}

    def check(self, request: Request) -> None:
        """Raise `InvalidInput` for a foreign Host and `Forbidden` for a foreign Origin, whatever the method."""
        host = request.headers.get("host", "")
        if _name_of(host) not in self._hosts:
            raise InvalidInput(
                f"this site does not answer to the host {host[:100]!r}",
                place="header Host",
                remedy="use localhost, or name it in the setting allowed_hosts",
            )
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Forbidden("a page of another site may not send requests here", place="header Origin")


def _name_of(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
