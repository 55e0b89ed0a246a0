"""A request that may be repeated: what it did is noted in the transactions that did it, and known the next time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from sqlalchemy import Connection


class Record(Protocol):
    """What is known of a request that carries an idempotency key.

    `done` holds kind and subject of the events that earlier attempts committed, oldest first; nothing of this attempt.
    """

    @property
    def done(self) -> Sequence[tuple[str, str]]: ...

    def note(self, connection: Connection, kind: str, subject_id: str) -> None:
        """Add an event in the transaction that writes it; raises `Conflict` when another attempt took over."""


_RECORD: ContextVar[Record | None] = ContextVar("record", default=None)
"""Belongs to one request and the threads that answer it; empty in every other part of a site."""


@contextmanager
def recorded(record: Record) -> Iterator[None]:
    """Within it every event that is appended is noted in the record."""
    token = _RECORD.set(record)
    try:
        yield
    finally:
        _RECORD.reset(token)


def note_done(connection: Connection, kind: str, subject_id: str) -> None:
    """Note an event of the request under way, if there is one; for `append_event`."""
    record = _RECORD.get()
    if record is not None:
        record.note(connection, kind, subject_id)


def was_done(kind: str, subject_id: str) -> bool:
    """True when an earlier attempt of this very request did that to the subject: a verb then does it no more."""
    record = _RECORD.get()
    return record is not None and (kind, subject_id) in record.done


def subject_done(kind: str) -> str | None:
    """What an earlier attempt of this very request made, by the event that told it; None when it made nothing."""
    record = _RECORD.get()
    found = () if record is None else record.done
    return next((subject for each, subject in found if each == kind), None)
