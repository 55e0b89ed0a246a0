"""What a site is doing: its processes and its newest event, looked at once for all who watch."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from anyio import to_thread
from pydantic import BaseModel

from tidemill.base.errors import TidemillError, Unavailable
from tidemill.base.events import last_event_number
from tidemill.base.home import Home
from tidemill.base.site import Site
from tidemill.supervisor.control import ask

FRESH_SECONDS = 0.2


class ProcessView(BaseModel):
    """A process of the site."""

    name: str
    state: str
    pid: int | None
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen last; `processes` as the supervisor tells them, none where no supervisor runs."""

    last_event: int = 0
    processes: list[dict[str, Any]] = field(default_factory=list)


class Watch:
    """Looks for all who ask within `FRESH_SECONDS` at once."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = asyncio.Lock()
        self._seen = Seen()
        self._at = float("-inf")

    async def look(self) -> Seen:
        """What there is to see; what cannot be seen just now is as it was."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now - self._at >= FRESH_SECONDS:
                self._seen = await to_thread.run_sync(self._look)
                self._at = now
            return self._seen

    def _look(self) -> Seen:
        processes = processes_of(self._site.home)
        try:
            with self._site.database.read() as connection:
                return Seen(last_event=last_event_number(connection), processes=processes)
        except TidemillError:
            return Seen(last_event=self._seen.last_event, processes=processes)


def processes_of(home: Home) -> list[dict[str, Any]]:
    """The processes of the site that serves a home; none when no supervisor answers."""
    try:
        return list(ask(home, {"op": "status"})["processes"])
    except Unavailable:
        return []
