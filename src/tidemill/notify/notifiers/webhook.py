"""The notifier of webhooks: one POST of JSON, signed as Standard Webhooks describes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from tidemill.base.canonical import canonical_json
from tidemill.base.errors import InvalidInput, Unavailable
from tidemill.base.outbox import Undeliverable
from tidemill.notify.model import Message, NotifyOptions
from tidemill.notify.notifiers.contract import LONGEST_SECONDS
from tidemill.notify.notifiers.reach import reachable_address

LONGEST_ADDRESS = 2_000
MAY_WORK_LATER = frozenset({408, 409, 425, 429})


class WebhookNotifier:
    """Posts to an address of http or https; redirects are not followed, and the answer's body is not read."""

    def __init__(self, options: NotifyOptions, *, now: Callable[[], float] = time.time) -> None:
        self._options = options
        self._now = now

    def check(self, address: str, *, place: str) -> None:
        _parsed(address, place)

    def shown(self, address: str) -> str:
        url = _parsed(address, "webhook")
        return f"{url.scheme}://{url.netloc.decode()}/…"

    def send(self, message: Message, address: str) -> None:
        url = _parsed(address, "webhook")
        port = url.port or (443 if url.scheme == "https" else 80)
        goal = reachable_address(url.host, port, allow_private=self._options.private_addresses)
        body = canonical_json(_body(message))
        headers = {"Host": url.netloc.decode(), "Content-Type": "application/json", **self._signed(message.key, body)}
        try:
            status = asyncio.run(_posted(url, goal, body, headers))
        except (httpx.HTTPError, TimeoutError) as problem:
            told = f"{self.shown(address)} does not answer: {type(problem).__name__}"
            raise Unavailable(told, place="webhook") from problem
        if status >= 500 or status in MAY_WORK_LATER:
            raise Unavailable(f"{self.shown(address)} answered {status}", place="webhook")
        if status >= 400:
            raise Undeliverable(f"{self.shown(address)} answered {status}", place="webhook")
        if status >= 300:
            raise Undeliverable(
                f"{self.shown(address)} sends elsewhere ({status})", place="webhook", remedy="name the address it means"
            )

    def _signed(self, key: str, body: bytes) -> dict[str, str]:
        moment = str(int(self._now()))
        headers = {"webhook-id": key, "webhook-timestamp": moment}
        if not self._options.webhook_secret:
            return headers
        signed = hmac.new(
            secret_bytes(self._options.webhook_secret), f"{key}.{moment}.".encode() + body, hashlib.sha256
        )
        return {**headers, "webhook-signature": "v1," + base64.b64encode(signed.digest()).decode()}


async def _posted(url: httpx.URL, goal: str, body: bytes, headers: Mapping[str, str]) -> int:
    """The status of the answer, within `LONGEST_SECONDS` in all: one byte after the other is no answer."""
    options: dict[str, Any] = {"timeout": LONGEST_SECONDS, "trust_env": False, "follow_redirects": False}
    target, names = url.copy_with(host=goal), {"sni_hostname": url.host}
    async with (
        asyncio.timeout(LONGEST_SECONDS),
        httpx.AsyncClient(**options) as client,
        client.stream("POST", target, content=body, headers=headers, extensions=names) as answer,
    ):
        return answer.status_code


def secret_bytes(secret: str) -> bytes:
    """The bytes of a secret: base64 after `whsec_`, as Standard Webhooks writes them, else the text itself."""
    prefix, _, encoded = secret.partition("whsec_")
    if not prefix and encoded:
        try:
            return base64.b64decode(encoded, validate=True)
        except ValueError:
            pass
    return secret.encode()


def _parsed(address: str, place: str) -> httpx.URL:
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, TypeError, ValueError) as problem:
        raise InvalidInput("is no address", place=place, remedy="write https://HOST/PATH") from problem
    if url.scheme not in ("http", "https") or not url.host or len(address) > LONGEST_ADDRESS:
        raise InvalidInput("is no address of a webhook", place=place, remedy="write https://HOST/PATH")
    if url.userinfo:
        raise InvalidInput("holds a password", place=place, remedy="leave out what stands before @")
    return url


def _body(message: Message) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "key": message.key,
        "title": message.title,
        "text": "\n".join(each.title for each in message.notices),
        "notices": [each.to_json() for each in message.notices],
        "more": message.more,
    }
