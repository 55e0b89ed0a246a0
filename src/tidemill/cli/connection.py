"""How a command reaches its site: a named address, the live site of the home, or the app in this process."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.base.errors import (
    InvalidInput,
    TidemillError,
    Unauthenticated,
    Unavailable,
    error_from_json,
)
from tidemill.base.process import is_alive
from tidemill.base.settings import Source
from tidemill.platform import Platform

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 300.0


class Connection:
    """Requests to the control API, with the caller's token; errors come back as the domain's own."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._url = platform.settings.text("url").rstrip("/")
        self._live = None if self._url else live_site(platform)

    @property
    def is_embedded(self) -> bool:
        """True when no site runs, and the app answers inside this process."""
        return not self._url and self._live is None

    @property
    def public_url(self) -> str | None:
        """The address of the site's gateway, None when no site runs."""
        if self._url:
            return self._url
        return None if self._live is None else str(self._live["url"])

    def get(self, route: str, **params: str | int | None) -> Any:
        """The JSON of a GET below `/api/v1`."""
        asked = {name: value for name, value in params.items() if value is not None}
        return self._json("GET", route, params=asked)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON of a POST below `/api/v1`; like every request that changes something it has a key of its own, and
        is repeated with it when its server died."""
        return self._json("POST", path, json=dict(body or {}), headers=_new_key())

    def put(self, path: str, body: Mapping[str, Any], *, generation: int | None = None) -> Any:
        """The JSON of a PUT below `/api/v1`; `generation`, when given, is the one that it wants to change."""
        expected = {} if generation is None else {"If-Match": f'"{generation}"'}
        return self._json("PUT", path, json=dict(body), headers={**_new_key(), **expected})

    def delete(self, path: str) -> Any:
        """The JSON of a DELETE below `/api/v1`."""
        return self._json("DELETE", path, headers=_new_key())

    def content(self, path: str) -> bytes:
        """The bytes of a GET below `/api/v1`."""
        return self._send("GET", path).content

    def upload(self, route: str, pieces: Iterable[bytes], *, media_type: str, length_bytes: int, **params: str) -> Any:
        """The JSON of a POST below `/api/v1` whose body is sent piece by piece. It needs no key: the same bytes sent
        again are the same artifact, so `pieces` must be there more than once."""
        headers = {"Content-Type": media_type, "Content-Length": str(length_bytes)}
        return self._json("POST", route, content=pieces, params=params, headers=headers)

    def pages(self, route: str, *, limit: int, **params: str | int | None) -> list[Any]:
        """The items of a paged list, at most `limit`."""
        items: list[Any] = []
        token: str | None = None
        while len(items) < limit:
            page = self.get(route, page_size=min(limit - len(items), 200), page_token=token, **params)
            items += page["items"]
            token = page.get("next_page_token")
            if not token:
                break
        return items

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        response = self._send(method, path, **arguments)
        return response.json() if response.content else None

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        import httpx  # 50 ms, for commands that ask something

        secret = self.secret
        headers = {**({"Authorization": f"Bearer {secret}"} if secret else {}), **arguments.pop("headers", {})}
        target = f"/api/v1{path}"
        try:
            if self.is_embedded:
                response = asyncio.run(self._ask_embedded(method, target, headers=headers, **arguments))
            else:
                response = self._ask_live(method, target, headers=headers, **arguments)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as problem:
            raise InvalidInput(
                "is not the address of a site", place=f"setting url: {self._url}", remedy="write http://host:port"
            ) from problem
        except httpx.TransportError as problem:
            raise Unavailable(
                f"the site does not answer: {problem}", place=self.public_url, remedy="tidemill status"
            ) from problem
        if response.status_code == 401 and not secret:
            raise no_token(self._url)
        if response.status_code >= 400:
            raise _error_of(response)
        return response

    @cached_property
    def secret(self) -> str:
        """The token for this site, empty when none is meant for it: a token goes to no other address than its own."""
        settings = {each.setting.name: each for each in self._platform.settings.explain()}
        token, layers = str(settings["token"].value), list(Source)
        if not token.isascii():
            raise Unauthenticated(
                "this is no token", place="setting token", remedy="copy it again, or make another one"
            )
        if not self._url:
            return token or self._local_token()
        if token and layers.index(settings["token"].source) <= layers.index(settings["url"].source):
            return token
        told = live_site(self._platform)
        return self._local_token() if told is not None and told["url"] == self._url else ""

    def _local_token(self) -> str:
        try:
            return self._platform.home.local_token.read_text().strip()
        except FileNotFoundError:  # it is made now, which wants the database
            from tidemill.access import local_token

            return local_token(self._platform.site)

    def _ask_live(self, method: str, target: str, **arguments: Any) -> httpx.Response:
        import httpx

        from tidemill.cli.asking import ask_until_answered

        transport = None
        base = self._url
        if self._live is not None:
            transport, base = httpx.HTTPTransport(uds=str(self._live["socket"])), "http://tidemill"
        with httpx.Client(transport=transport, base_url=base, timeout=TIMEOUT_SECONDS) as client:
            return ask_until_answered(
                lambda: client.request(method, target, **arguments),
                is_site_there=lambda: bool(self._url) or live_site(self._platform) is not None,
            )

    async def _ask_embedded(self, method: str, target: str, **arguments: Any) -> httpx.Response:
        import httpx

        if "content" in arguments:
            arguments["content"] = _in_turn(arguments["content"])
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://tidemill", timeout=None) as client:
            return await client.request(method, target, **arguments)

    @cached_property
    def _app(self) -> Any:
        """The site in this process; heavy, so only where there is no other."""
        from tidemill.server.app import create_app

        return create_app(self._platform)


async def _in_turn(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def live_site(platform: Platform) -> dict[str, Any] | None:
    """What the running site of this home says of itself (`url`, `socket`, `pid`), None when none runs."""
    marker: Path = platform.home_path / "site.json"
    try:
        told: dict[str, Any] = json.loads(marker.read_text())
    except (OSError, ValueError):
        return None
    return told if is_alive(int(told["pid"]), told.get("start_ticks")) else None


def no_token(url: str) -> Unauthenticated:
    """The error of who has no token for a site."""
    return Unauthenticated("no token of yours is for this site", place=url, remedy=f"tidemill login {url}")


def _new_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def _error_of(response: httpx.Response) -> TidemillError:
    try:
        return error_from_json(response.json())
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"the site answered {response.status_code}: {response.text[:200]}")
