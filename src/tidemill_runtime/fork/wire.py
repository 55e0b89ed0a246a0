"""Messages between a launcher and a zygote: one JSON object a line on a unix socket, file descriptors beside it."""

from __future__ import annotations

import array
import json
import os
import socket
from typing import Any, Dict, List, Sequence, Tuple

MAX_DESCRIPTORS = 32
_PIECE_BYTES = 1 << 16


class Closed(Exception):
    """The other side has closed the socket."""


def send_message(control: socket.socket, message: Dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one message; `descriptors` arrive with it as copies. Raises OSError when the other side is gone."""
    if descriptors:
        message = {**message, "descriptors": len(descriptors)}
    data = json.dumps(message, separators=(",", ":")).encode("utf-8") + b"\n"
    if not descriptors:
        control.sendall(data)
        return
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    sent = control.sendmsg([data], rights)
    if sent < len(data):  # to send nothing would fail when the other side has read all and closed: it was told
        control.sendall(data[sent:])


class Reader:
    """Puts messages together again from what `recvmsg` gives."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pending = bytearray()
        self._descriptors: List[int] = []

    def receive(self) -> List[Tuple[Dict[str, Any], List[int]]]:
        """The messages that are complete after one read, each with its descriptors; raises `Closed` at the end."""
        space = socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)
        try:
            data, extra, _, _ = self._control.recvmsg(_PIECE_BYTES, space)
        except BlockingIOError:
            return []
        except ConnectionError:
            raise Closed() from None
        for level, kind, payload in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(payload[: len(payload) - len(payload) % numbers.itemsize])
                self._descriptors.extend(numbers)
        if not data:
            raise Closed()
        self._pending += data
        if b"\n" not in data:
            return []
        *lines, rest = self._pending.split(b"\n")
        self._pending = bytearray(rest)
        return [self._message(bytes(line)) for line in lines if line]

    def close(self) -> None:
        """Close descriptors that came with no complete message."""
        for number in self._descriptors:
            os.close(number)
        self._descriptors.clear()

    def _message(self, line: bytes) -> Tuple[Dict[str, Any], List[int]]:
        message: Dict[str, Any] = json.loads(line)
        # Descriptors arrive in the order of the messages, never later than the first byte of theirs.
        count = int(message.get("descriptors", 0))
        mine, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return message, mine
