"""Reading a request's body: bounded, decompressed, or refused."""

from __future__ import annotations

import zlib
from typing import Any, Dict, List, Optional, Tuple

from tidemill_runtime.predict.refusal import Refusal, bad_request

Headers = List[Tuple[bytes, bytes]]


class Disconnected(Exception):
    """The client went away before its request was whole."""


def pick(headers: Headers) -> Dict[bytes, bytes]:
    """The headers by lower-case name; of several with one name the last."""
    return dict(headers)


async def read_body(receive: Any, headers: Dict[bytes, bytes], max_bytes: int) -> bytes:
    """The whole body; 413 beyond `max_bytes` (also after decompression), 415 for an unknown encoding."""
    announced = headers.get(b"content-length")
    if announced is not None and (not announced.isdigit() or int(announced) > max_bytes):
        raise too_large(max_bytes)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        body = await _read_rest(receive, body, max_bytes)
    elif message["type"] == "http.disconnect":
        raise Disconnected
    if len(body) > max_bytes:
        raise too_large(max_bytes)
    encoding = headers.get(b"content-encoding")
    return body if encoding is None else _decompress(body, encoding.decode("latin-1").strip().lower(), max_bytes)


def too_large(max_bytes: int) -> Refusal:
    """413; the connection is closed, so that the rest of the body need not be read."""
    return Refusal(413, f"the body is larger than {max_bytes} bytes", ((b"connection", b"close"),))


def json_size(headers: Dict[bytes, bytes]) -> Optional[int]:
    """Inference-Header-Content-Length, when the request has it."""
    text = headers.get(b"inference-header-content-length")
    if text is None:
        return None
    if not text.isdigit() or len(text) > 12:
        raise bad_request("Inference-Header-Content-Length is not a number of bytes")
    return int(text)


async def _read_rest(receive: Any, first: bytes, max_bytes: int) -> bytes:
    parts, size = [first], len(first)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > max_bytes:
            raise too_large(max_bytes)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "deflate"):
        raise Refusal(415, f"the content encoding {encoding[:40]!r} is not known here; send gzip, deflate or none")
    unpack = zlib.decompressobj(wbits=31 if encoding == "gzip" else 15)
    try:
        plain = unpack.decompress(body, max_bytes + 1)
    except zlib.error as problem:
        raise bad_request(f"the body is not {encoding}: {problem}") from None
    if len(plain) > max_bytes:
        raise too_large(max_bytes)
    if not unpack.eof:
        raise bad_request(f"the {encoding} body is cut off")
    return plain
