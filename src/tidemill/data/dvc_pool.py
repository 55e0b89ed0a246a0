"""Warm DVCs of a site: one per environment of those who ask, one request at a time per working folder."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidemill.base.errors import Unavailable
from tidemill.data.dvc_child import DvcChild, GivenUp

MOST_CHILDREN = 4
"""Each takes about 90 MB; one more request waits until one of them is free."""

_LOOK_SECONDS = 0.2
_LAST_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for DVC in a working folder, and the environment of who asks."""

    root: str
    line: bytes
    variables: Mapping[str, str]
    umask: int

    @property
    def key(self) -> tuple[object, ...]:
        """The same for all that one child may answer: libraries keep credentials and proxies that they have read."""
        return (self.umask, *sorted(self.variables.items()))


@dataclass(slots=True, kw_only=True)
class _Place:
    """Room for one child; `key` says for whom, `is_busy` that somebody has it."""

    key: tuple[object, ...]
    child: DvcChild | None = None
    is_busy: bool = True


class DvcPool:
    """The children and who has them; made for threads."""

    def __init__(self, find_python: Callable[[], Path], log: Path) -> None:
        self._find_python = find_python
        self._log = log
        self._changed = threading.Condition()
        self._places: list[_Place] = []
        self._folders: set[str] = set()
        self._is_closing = False

    def ask(self, asked: Asked, watched: socket.socket) -> bytes:
        """DVC's answer, after those who asked for the same folder before.

        Raises `GivenUp` when `watched` was closed meanwhile, also while it waited (then nothing was begun),
        `Unavailable` when DVC died or the site stops, and what finding DVC's environment raises.
        """
        folder = os.path.realpath(asked.root)
        place = self._lend(asked, folder, watched)
        try:
            if place.child is not None and not place.child.is_alive:  # somebody killed it while it was idle
                place.child.end()
                place.child = None
            if place.child is None:
                place.child = DvcChild(self._find_python(), self._log, asked.variables, asked.umask)
            return place.child.ask(asked.line, watched)
        finally:
            self._take_back(place, folder)

    def close(self, patience_seconds: float) -> None:
        """Refuse whoever waits, give those at work so long to finish, and end every child."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._folders, patience_seconds)
            left = [(place.child, place.is_busy) for place in self._places if place.child is not None]
        for child, is_busy in left:
            if is_busy:  # the thread that asked it sees its end, and lets go of it
                child.stop(_LAST_PATIENCE_SECONDS)
            else:
                child.end(_LAST_PATIENCE_SECONDS)

    def _lend(self, asked: Asked, folder: str, watched: socket.socket) -> _Place:
        while True:
            if select.select([watched], [], [], 0)[0]:
                raise GivenUp
            with self._changed:
                if self._is_closing:
                    raise Unavailable("the site is stopping", remedy="try again when it has stopped, or is up again")
                place, evicted = self._free_place(asked.key, folder)
                if place is not None:
                    place.is_busy = True
                    self._folders.add(folder)
                else:
                    self._changed.wait(_LOOK_SECONDS)
            if evicted is not None:
                evicted.end()
            if place is not None:
                return place

    def _free_place(self, key: tuple[object, ...], folder: str) -> tuple[_Place | None, DvcChild | None]:
        """A place for a request, None when it has to wait, and the child that gave way for it."""
        if folder in self._folders:
            return None, None
        idle = [place for place in self._places if not place.is_busy]
        for place in idle:
            if place.key == key:
                return place, None
        evicted: DvcChild | None = None
        if len(self._places) >= MOST_CHILDREN:
            if not idle:
                return None, None
            self._places.remove(idle[0])  # the one that has been idle longest
            evicted = idle[0].child
        made = _Place(key=key)
        self._places.append(made)
        return made, evicted

    def _take_back(self, place: _Place, folder: str) -> None:
        with self._changed:
            self._places.remove(place)
            if place.child is not None and place.child.is_alive:
                place.is_busy = False
                self._places.append(place)
            self._folders.remove(folder)
            self._changed.notify_all()
