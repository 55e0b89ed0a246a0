"""The verb read_log: a task's log, by byte offset, while it is written and afterwards."""

from __future__ import annotations

from tidemill.access.model import Actor
from tidemill.base.errors import InvalidInput, NotFound
from tidemill.base.site import Site
from tidemill.engine.find import list_attempts, list_tasks
from tidemill.engine.model import LogPiece

MAX_PIECE_BYTES = 1 << 20


def read_log(
    site: Site, actor: Actor, run_id: str, task: str, *, offset_bytes: int = 0, limit_bytes: int = MAX_PIECE_BYTES
) -> LogPiece:
    """A part of the log of a task's newest attempt; `task` is a path, a name or an id.

    `is_complete` is True when the attempt has ended and this piece reaches the end. `NotFound` when there is no such
    task; an empty piece when it has not started.
    """
    if offset_bytes < 0 or limit_bytes < 1:
        raise InvalidInput("an offset is at least 0 and a limit at least 1 byte")
    wanted = [one for one in list_tasks(site, actor, run_id) if task in {one.id, one.path, one.name}]
    if not wanted:
        raise NotFound(f"the run has no task {task[:200]!r}", place=f"run {run_id}", remedy="tidemill runs show RUN")
    exact = [one for one in wanted if task in {one.id, one.path}] or wanted
    attempts = [one for one in list_attempts(site, actor, run_id) if one.task_id == exact[0].id]
    if not attempts:
        return LogPiece(data=b"", next_offset_bytes=offset_bytes, is_complete=exact[0].state.is_final)
    newest = attempts[-1]
    try:
        with open(site.home.logs / newest.log, "rb") as file:
            file.seek(offset_bytes)
            data = file.read(min(limit_bytes, MAX_PIECE_BYTES))
            at_end = not file.read(1)
    except FileNotFoundError:
        data, at_end = b"", True
    return LogPiece(data=data, next_offset_bytes=offset_bytes + len(data), is_complete=newest.state.is_final and at_end)
