"""`Idempotency-Key` on unsafe routes: the second request with a key gets the first one's answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from tidemill.access import Actor
from tidemill.base.canonical import digest_bytes
from tidemill.base.errors import Conflict, InvalidInput
from tidemill.base.site import Site
from tidemill.server import store

Next = Callable[[Request], Awaitable[Response]]
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
MAX_KEY_LENGTH = 200
MAX_KEPT_BYTES = 1_000_000


async def answer_once(site: Site, actor: Actor, request: Request, proceed: Next) -> Response:
    """Give the kept answer of this key, or proceed and keep the new one.

    Server errors are not kept, so that the caller may try again. Raises `Conflict` when the key came with another
    request, or when the first one is still at work.
    """
    key = request.headers["idempotency-key"]
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise InvalidInput(f"an Idempotency-Key has 1 to {MAX_KEY_LENGTH} characters", place="header Idempotency-Key")
    body = await request.body()
    asked = f"{actor.person} {request.method} {request.url.path}?{request.url.query}\n".encode() + body
    request_digest = digest_bytes(asked)
    known = await to_thread.run_sync(lambda: _reserve(site, actor, key, request_digest))
    if known is not None:
        return _replay(known, request_digest)
    response: Response | None = None
    try:
        response = await proceed(request)
        content = await _content(response)
    finally:
        if response is None or response.status_code >= 500:
            await to_thread.run_sync(lambda: _forget(site, actor, key))
    if response.status_code < 500 and len(content) <= MAX_KEPT_BYTES:
        kept_type = response.headers.get("content-type", "")
        status = response.status_code
        await to_thread.run_sync(lambda: _keep(site, actor, key, (status, kept_type, content)))
    return Response(content, response.status_code, dict(response.headers))


def _replay(known: store.Answer, request_digest: str) -> Response:
    if known.request_digest != request_digest:
        raise Conflict("this Idempotency-Key came with another request before", remedy="use a new key for each request")
    if known.status is None:
        raise Conflict("the first request with this Idempotency-Key is still at work", remedy="try again shortly")
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


def _reserve(site: Site, actor: Actor, key: str, request_digest: str) -> store.Answer | None:
    with site.database.write() as connection:
        return store.reserve(
            connection,
            namespace_id=actor.namespace_id,
            key=key,
            request_digest=request_digest,
            person=actor.person,
            now=site.clock.now(),
        )


def _keep(site: Site, actor: Actor, key: str, answer: tuple[int, str, bytes]) -> None:
    status, content_type, body = answer
    with site.database.write() as connection:
        store.keep(
            connection,
            namespace_id=actor.namespace_id,
            key=key,
            status=status,
            content_type=content_type,
            body=body,
        )


def _forget(site: Site, actor: Actor, key: str) -> None:
    with site.database.write() as connection:
        store.forget(connection, namespace_id=actor.namespace_id, key=key)
