"""A message that has arrived is told as sent, whatever the other side does next: else its program would run twice."""

from __future__ import annotations

import os
import socket
from typing import Any, cast

from tidemill_runtime.fork import wire


class ClosedOnceRead:
    """One end of a socket pair whose other end reads a message and closes before the sender goes on."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self.read: list[tuple[dict[str, Any], list[int]]] = []

    def sendmsg(self, *arguments: Any) -> int:
        """Send; the other end has gone when this returns."""
        sent = self._ours.sendmsg(*arguments)
        self.read += wire.Reader(self._theirs).receive()
        self._theirs.close()
        return sent

    def sendall(self, data: bytes) -> None:
        """Fails, as the other end is closed."""
        self._ours.sendall(data)

    def close(self) -> None:
        """Close our end."""
        self._ours.close()


def test_a_message_whose_reader_closes_at_once_was_sent() -> None:
    control = ClosedOnceRead()
    wire.send_message(cast(socket.socket, control), {"op": "spawn"}, [0])
    ((message, descriptors),) = control.read
    assert message["op"] == "spawn"
    for number in descriptors:
        os.close(number)
    control.close()
