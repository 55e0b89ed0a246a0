"""The nouns of the outbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tidemill.base.errors import TidemillError
from tidemill.base.site import Site


class EffectState(StrEnum):
    """Where an effect is on its way out."""

    WAITING = "waiting"  # to be delivered at its next attempt
    DONE = "done"  # delivered
    DEAD = "dead"  # given up; its last error says why


EFFECT_TRANSITIONS: dict[EffectState, frozenset[EffectState]] = {
    EffectState.WAITING: frozenset({EffectState.DONE, EffectState.DEAD}),
    EffectState.DEAD: frozenset({EffectState.WAITING}),
    EffectState.DONE: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """An effect on the outside world.

    Within a namespace and topic the same `idempotency_key` is one effect, however often it is enqueued. Effects of one
    `lane` go out in the order in which they were enqueued; other lanes do not wait for them.
    """

    namespace_id: str
    topic: str
    lane: str
    idempotency_key: str
    payload: dict[str, Any]
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedEffect:
    """An effect in the outbox; `attempts` counts the one under way, too."""

    id: str
    number: int
    namespace_id: str
    topic: str
    lane: str
    idempotency_key: str
    payload: dict[str, Any]
    state: EffectState
    attempts: int
    next_attempt_at: datetime
    last_error: str | None
    ended_at: datetime | None
    created_by: str
    created_at: datetime


Handler = Callable[[Site, QueuedEffect], None]
"""Delivers one effect: returning means it is delivered, any error that it is tried again later.

It may be called again with the same effect (a crash between delivery and record), and passes the idempotency key on
where the receiver knows such keys. It runs in a thread of its own, outside any transaction; `site` is the leader's.
It has time limits of its own, shorter than its topic's: an attempt that goes on after that is not stopped.
"""


class Undeliverable(TidemillError):
    """The receiver will never take this effect: it is given up at once."""

    code, http_status, exit_status = "undeliverable", 422, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """How the effects of one kind are delivered.

    An attempt that takes longer than `attempt_seconds` counts as failed. The pauses between attempts double from
    `first_pause` to `longest_pause`, each shortened at random by up to half; after `attempts` an effect is dead.
    """

    name: str
    deliver: Handler
    attempts: int = 12
    attempt_seconds: float = 10.0
    first_pause: timedelta = timedelta(seconds=2)
    longest_pause: timedelta = timedelta(minutes=15)
