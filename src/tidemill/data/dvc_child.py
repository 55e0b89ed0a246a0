"""One process with DVC warm in it: asked by a line on its standard input, it answers with one on its output."""

from __future__ import annotations

import os
import select
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tidemill.base.errors import Unavailable

_PROGRAM = Path(__file__).with_name("child.py")
_PIECE_BYTES = 1 << 16
PATIENCE_SECONDS = 5.0


class GivenUp(Exception):
    """Who asked has gone before there was an answer."""


class DvcChild:
    """DVC in its own environment, for one request at a time; `variables` and `umask` are those of who asks."""

    def __init__(self, python: Path, log: Path, variables: Mapping[str, str], umask: int) -> None:
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                # isolated: the folder of the program, with modules named like others', is not on its path
                [str(python), "-I", "-X", "utf8", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd="/",
                env={**variables, "DVC_NO_ANALYTICS": "1", "GIT_TERMINAL_PROMPT": "0"},
                umask=umask,
                start_new_session=True,  # an interrupt of ours must not end it in the middle of a write
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """False once it has ended."""
        return self._process.poll() is None

    def ask(self, line: bytes, watched: socket.socket | None = None) -> bytes:
        """The answer to one line. It ends with the question that it could not answer: `Unavailable` when it died,
        `GivenUp` when `watched`, the connection of who asks, was closed meanwhile."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
            answer = self._read_line(watched)
        except BaseException as problem:  # also an interrupt: its late answer must not be taken for the next one
            self.end()
            if isinstance(problem, BrokenPipeError):
                raise self._gone() from problem
            raise
        if not answer.endswith(b"\n"):
            self.end()
            raise self._gone()
        return answer

    def end(self, patience_seconds: float | None = None) -> None:
        """Let it finish what it is at, as long as that takes no longer than patience; then TERM, then KILL."""
        patience_seconds = PATIENCE_SECONDS if patience_seconds is None else patience_seconds
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended already
            self._process.stdin.close()
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.stop(patience_seconds)
        self._process.stdout.close()

    def stop(self, patience_seconds: float) -> None:
        """TERM, then KILL; a thread that waits for its answer is told that it is gone."""
        self._process.terminate()
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_line(self, watched: socket.socket | None) -> bytes:
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        looked_at = [output, *([] if watched is None else [watched.fileno()])]
        pieces = bytearray()
        while not pieces.endswith(b"\n"):
            ready, _, _ = select.select(looked_at, [], [])
            if output not in ready:
                raise GivenUp
            piece = os.read(output, _PIECE_BYTES)
            if not piece:
                break
            pieces += piece
        return bytes(pieces)

    def _gone(self) -> Unavailable:
        return Unavailable("DVC ended in the middle of its work", place=str(self._log), remedy="try again")
