"""A request that gets an error as its answer."""

from __future__ import annotations

from typing import Tuple


class Refusal(Exception):
    """The status and the text of an error reply; `headers` are added to it (Retry-After, Allow)."""

    def __init__(self, status: int, message: str, headers: Tuple[Tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def bad_request(message: str) -> Refusal:
    """The client's fault, 400."""
    return Refusal(400, message)


def overloaded(message: str) -> Refusal:
    """The queue is full, 429; the client may come back after a second."""
    return Refusal(429, message, ((b"retry-after", b"1"),))
