"""Opaque cursors: where the next page of a list begins."""

from __future__ import annotations

import base64
import binascii

from tidemill.base.errors import InvalidInput


def page_token(last_key: str) -> str:
    """The cursor after the item whose sort key is `last_key`."""
    return base64.urlsafe_b64encode(b"1:" + last_key.encode()).decode().rstrip("=")


def key_of(token: str | None) -> str | None:
    """The sort key in a cursor, None for no cursor; `InvalidInput` for one that was not made here."""
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        version, _, key = raw.decode().partition(":")
    except (binascii.Error, ValueError) as problem:
        raise InvalidInput("is not a page token of this list", place="page_token") from problem
    if version != "1":
        raise InvalidInput("is not a page token of this list", place="page_token")
    return key
