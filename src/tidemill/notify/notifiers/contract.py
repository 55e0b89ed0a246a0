"""What a notifier is; more of them come as plug-ins of the entry-point group `tidemill.notifiers`."""

from __future__ import annotations

from typing import Protocol

from tidemill.notify.model import Message

ENTRY_POINTS = "tidemill.notifiers"
LONGEST_SECONDS = 8.0
"""A notifier waits no longer than this for an answer at a time."""


class Notifier(Protocol):
    """Sends messages to addresses of its kind; a plug-in's factory is called with the site's `NotifyOptions`."""

    def check(self, address: str, *, place: str) -> None:
        """Raise `InvalidInput` with `place` for an address that can never be told. No I/O."""
        ...

    def shown(self, address: str) -> str:
        """The address without what is secret in it."""
        ...

    def send(self, message: Message, address: str) -> None:
        """Send it once, each wait at most `LONGEST_SECONDS`; `message.key` goes along, so that a repeat is known.

        Returning means that the receiver took it. Raises `Unavailable` when it may work later, `Undeliverable` when it
        never will; no error shows a secret.
        """
        ...
