"""`Idempotency-Key` on unsafe routes: what a request does is done once, whatever becomes of the server over it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from anyio import to_thread
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from tidemill.access import Actor
from tidemill.base.canonical import canonical_json, digest_bytes
from tidemill.base.errors import Conflict, InvalidInput, StillAtWork, TidemillError
from tidemill.base.repeats import recorded
from tidemill.base.site import Site
from tidemill.server import store

Next = Callable[[Request], Awaitable[Response]]
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
MAX_KEY_LENGTH = 200
MAX_KEPT_BYTES = 1_000_000
HOLD_SECONDS = 3.0
_TOLD_ONCE = Conflict(
    "the answer to this Idempotency-Key held a secret, and is not kept", remedy="ask again with a new key"
)
log = logging.getLogger(__name__)


class KeyRecord:
    """The `Record` of an attempt: its notes stand in the row of its key."""

    def __init__(self, attempt: store.Attempt) -> None:
        self._attempt = attempt

    @property
    def done(self) -> Sequence[tuple[str, str]]:
        return self._attempt.done

    def note(self, connection: Connection, kind: str, subject_id: str) -> None:
        store.note(connection, self._attempt, kind, subject_id)


async def answer_once(site: Site, actor: Actor, request: Request, proceed: Next) -> Response:
    """Give the kept answer of this key, or proceed and keep the new one.

    A server that died over the request is followed by this one: what the dead one committed is known to the verbs
    (`base.repeats`), which answer with it instead of doing it again. Server errors are not kept, so that the caller
    may try again; an answer that holds a secret is not either, and a repeat is told so. Raises `Conflict` when the key
    came with another request, `StillAtWork` while the first is answered.
    """
    key = request.headers["idempotency-key"]
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise InvalidInput(f"an Idempotency-Key has 1 to {MAX_KEY_LENGTH} characters", place="header Idempotency-Key")
    body = await request.body()
    asked = f"{actor.person} {request.method} {request.url.path}?{request.url.query}\n".encode() + body
    request_digest = digest_bytes(asked)
    found = await to_thread.run_sync(lambda: _reserve(site, actor, key, request_digest))
    if isinstance(found, store.Answer):
        return _replay(found, request_digest)
    async with _held(site, found):
        with recorded(KeyRecord(found)):
            response = await proceed(request)
        content = await _content(response)
    kept = None
    if response.status_code < 400 and "no-store" in response.headers.get("cache-control", ""):
        kept = (Conflict.http_status, "application/json", canonical_json(_TOLD_ONCE.to_json()))
    elif response.status_code < 500 and len(content) <= MAX_KEPT_BYTES:
        kept = (response.status_code, response.headers.get("content-type", ""), content)
    await to_thread.run_sync(lambda: _end(site, found, kept))
    return Response(content, response.status_code, dict(response.headers))


@asynccontextmanager
async def _held(site: Site, attempt: store.Attempt) -> AsyncIterator[None]:
    """Hold the key meanwhile, and give it back when that ends badly."""

    async def go_on() -> None:
        while True:
            await asyncio.sleep(HOLD_SECONDS)
            await to_thread.run_sync(lambda: _hold(site, attempt))

    holding = asyncio.create_task(go_on())
    try:
        yield
    except BaseException:
        await to_thread.run_sync(lambda: _end(site, attempt, None))
        raise
    finally:
        holding.cancel()


def _replay(known: store.Answer, request_digest: str) -> Response:
    if known.request_digest != request_digest:
        raise Conflict("this Idempotency-Key came with another request before", remedy="use a new key for each request")
    if known.status is None:
        raise StillAtWork("the first request with this Idempotency-Key is still at work", remedy="try again shortly")
    headers = {"content-type": known.content_type, "idempotent-replay": "true"} if known.content_type else None
    return Response(known.body, known.status, headers)


async def _content(response: Response) -> bytes:
    parts: list[bytes] = []
    stream = getattr(response, "body_iterator", None)
    if stream is None:
        return bytes(response.body)
    async for chunk in stream:
        parts.append(chunk if isinstance(chunk, bytes) else str(chunk).encode())
    return b"".join(parts)


def _reserve(site: Site, actor: Actor, key: str, request_digest: str) -> store.Answer | store.Attempt:
    attempt = store.Attempt(namespace_id=actor.namespace_id, key=key, id=site.ids.new())
    with site.database.write() as connection:
        return store.reserve(
            connection, attempt, request_digest=request_digest, person=actor.person, now=site.clock.now()
        )


def _hold(site: Site, attempt: store.Attempt) -> None:
    try:
        with site.database.write() as connection:
            store.hold(connection, attempt, site.clock.now())
    except TidemillError as problem:
        log.warning("a key is held no longer: %s", problem)


def _end(site: Site, attempt: store.Attempt, answer: tuple[int, str, bytes] | None) -> None:
    """Keep the answer; without one, leave the key to whoever repeats the request."""
    with site.database.write() as connection:
        if answer is None:
            store.give_back(connection, attempt)
        else:
            status, content_type, body = answer
            store.keep(connection, attempt, status=status, content_type=content_type, body=body)
