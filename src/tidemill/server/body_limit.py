"""How large a request may be: what is read whole goes into the server's memory."""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 64 << 20
"""A pipeline spec of 32 MiB fits in, whatever JSON makes of its quotes."""


class BodyLimit:
    """Answers with `refusal` when more than `most_bytes` of a body are read, and lets nobody read more.

    Routes below `streaming` keep nothing whole, and have limits of their own.
    """

    def __init__(
        self, app: ASGIApp, *, refusal: ASGIApp, streaming: tuple[str, ...], most_bytes: int = MOST_BYTES
    ) -> None:
        self._app = app
        self._refusal = refusal
        self._streaming = streaming
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; to who reads too much it ends as if the caller had gone."""
        if scope["type"] != "http" or scope["path"].startswith(self._streaming):
            await self._app(scope, receive, send)
            return
        taken, has_answered = 0, False

        async def counted() -> Message:
            nonlocal taken
            if taken <= self._most_bytes:
                message = await receive()
                taken += len(message.get("body", b""))
            return message if taken <= self._most_bytes else {"type": "http.disconnect"}

        async def answered(message: Message) -> None:
            nonlocal has_answered
            if taken <= self._most_bytes or has_answered:
                has_answered = True
                await send(message)

        try:
            await self._app(scope, counted, answered)
        except ClientDisconnect:
            if taken <= self._most_bytes:
                raise
        if taken > self._most_bytes and not has_answered:
            await self._refusal(scope, receive, send)
