"""Delivery: what is due of one topic goes out, one attempt after the other, each in bounded time."""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from tidemill.base.errors import TidemillError
from tidemill.base.events import append_event
from tidemill.base.leases import LeaseLost
from tidemill.base.outbox import store
from tidemill.base.outbox.model import EffectState, QueuedEffect, Topic, Undeliverable
from tidemill.base.site import Site

MOST_STUCK = 4
"""Attempts that went over their time and have not ended yet; with so many a topic waits for one to end."""

BUSY_SECONDS = 2.0
"""After so long a round pauses, so that who wants it to end need not wait longer than for one attempt."""

LONGEST_ERROR = 1_000
log = logging.getLogger(__name__)


class Postman:
    """Delivers the effects of one topic for the leader of a site."""

    def __init__(self, topic: Topic, *, draw: random.Random | None = None) -> None:
        self._topic = topic
        self._draw = draw or random.Random()
        self._stuck: list[threading.Thread] = []

    def deliver(self, site: Site) -> int:
        """Make one attempt for each effect that is due; how many were delivered.

        Each attempt is counted in a transaction before it, and ended in one after it, so that a crash between the two
        repeats it. Raises `LeaseLost` when another leads by now.
        """
        begun, delivered = site.clock.monotonic_seconds(), 0
        while site.clock.monotonic_seconds() - begun < BUSY_SECONDS:
            self._stuck = [thread for thread in self._stuck if thread.is_alive()]
            if len(self._stuck) >= MOST_STUCK:
                log.warning("%s: %d attempts hang; nothing more is sent until one ends", self._topic.name, MOST_STUCK)
                break
            effect = self._taken(site)
            if effect is None:
                break
            delivered += self._settle(site, effect, self._attempt(site, effect))
        return delivered

    def _taken(self, site: Site) -> QueuedEffect | None:
        """The next due effect, its attempt counted and its next one set, as if this one failed."""
        now = site.clock.now()
        with site.database.read() as connection:
            if self._due(connection, now) is None:
                return None
        with site.database.write() as connection:
            found = self._due(connection, now)
            if found is None:
                return None
            if found.attempts >= self._topic.attempts:  # the last one was not even recorded
                told = found.last_error or "the site ended in the middle of each attempt"
                _give_up(connection, site, found, told)
                return None
            attempts, next_at = found.attempts + 1, now + self._pause(found.attempts)
            store.change_effect(connection, found, found.state, attempts=attempts, next_attempt_at=next_at)
        return replace(found, attempts=attempts, next_attempt_at=next_at)

    def _due(self, connection: Connection, now: datetime) -> QueuedEffect | None:
        return store.next_due(connection, self._topic.name, now, not_after=now + self._topic.longest_pause)

    def _attempt(self, site: Site, effect: QueuedEffect) -> BaseException | None:
        """Call the handler; what went wrong, None when it is delivered."""
        outcome: list[BaseException | None] = []

        def run() -> None:
            try:
                self._topic.deliver(site, effect)
            except BaseException as problem:  # noqa: BLE001  (a handler is a plug-in: whatever it raises is an outcome)
                outcome.append(problem)
            else:
                outcome.append(None)

        thread = threading.Thread(target=run, name=f"outbox {self._topic.name}", daemon=True)
        thread.start()
        thread.join(self._topic.attempt_seconds)
        if outcome:
            return outcome[0]
        self._stuck.append(thread)
        return TimeoutError(f"no answer within {self._topic.attempt_seconds:g} s")

    def _settle(self, site: Site, effect: QueuedEffect, problem: BaseException | None) -> bool:
        """Record how an attempt ended; True for one that delivered."""
        if isinstance(problem, LeaseLost):
            raise problem
        now = site.clock.now()
        with site.database.write() as connection:
            if problem is None:
                store.change_effect(connection, effect, EffectState.DONE, ended_at=now)
                return True
            told = _told(problem)
            if isinstance(problem, Undeliverable) or effect.attempts >= self._topic.attempts:
                _give_up(connection, site, effect, told)
                log.error("%s: effect %s is given up: %s", effect.topic, effect.id, told)
            else:
                store.change_effect(connection, effect, effect.state, last_error=told)
                log.warning("%s: attempt %d of effect %s: %s", effect.topic, effect.attempts, effect.id, told)
        return False

    def _pause(self, attempts: int) -> timedelta:
        """The pause after an attempt that had `attempts` before it; random, so that many do not come back at once."""
        doubled = self._topic.first_pause * (1 << min(attempts, 30))
        return min(doubled, self._topic.longest_pause) * (1 - self._draw.random() / 2)


def _give_up(connection: Connection, site: Site, effect: QueuedEffect, told: str) -> None:
    """Write that it is dead, and the event `effect.died`, in the caller's transaction."""
    if not store.change_effect(connection, effect, EffectState.DEAD, ended_at=site.clock.now(), last_error=told):
        return
    append_event(
        connection,
        site.clock,
        namespace_id=effect.namespace_id,
        kind="effect.died",
        subject_id=effect.id,
        data={"topic": effect.topic, "lane": effect.lane, "attempts": effect.attempts, "error": told},
        created_by=effect.created_by,
    )


def _told(problem: BaseException) -> str:
    text = (
        str(problem) if isinstance(problem, (TidemillError, TimeoutError)) else f"{type(problem).__name__}: {problem}"
    )
    return text[:LONGEST_ERROR]
