"""The data child of a running site, as a command sees it: one connection, one question, one answer."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from tidemill.base.errors import Unavailable
from tidemill.base.home import Home
from tidemill.data.asked_dvc import AskedDvc

REMEDY = "try again; tidemill status says whether the site is up"


def dvc_socket(home: Home) -> Path:
    """Where a site's data child answers: 0600, in a folder of the owner's."""
    return home.sockets / "data.sock"


class SiteDvc(AskedDvc):
    """The `Dvc` of a command whose home has a live site: DVC is warm there already.

    `variables` and `umask` of the caller go along with each question: DVC works with them, as it would in a child of
    the caller's own. Who closes the connection stops the work, and so does one who is out of patience.
    """

    def __init__(
        self, path: Path, variables: Mapping[str, str], umask: int, *, patience_seconds: float | None = None
    ) -> None:
        self._path = path
        self._patience_seconds = patience_seconds
        self._caller = {"variables": dict(variables), "umask": umask}

    def close(self) -> None:
        """See `Dvc`; the child stays warm for the next command."""

    def _exchange(self, line: bytes) -> bytes:
        asked = json.dumps({**self._caller, "request": json.loads(line)}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(self._patience_seconds)
                connection.connect(str(self._path))
                connection.sendall(asked)
                with connection.makefile("rb") as lines:
                    answer = lines.readline()
        except OSError as problem:
            raise Unavailable(
                f"the site's DVC does not answer: {problem.strerror or problem}", place=str(self._path), remedy=REMEDY
            ) from problem
        if not answer.endswith(b"\n"):
            raise Unavailable("the site's DVC ended in the middle of its work", place=str(self._path), remedy=REMEDY)
        return answer
