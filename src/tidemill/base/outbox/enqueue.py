"""The verb enqueue."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.base.clock import Clock
from tidemill.base.ids import Ids
from tidemill.base.outbox import store
from tidemill.base.outbox.model import Effect, EffectState, QueuedEffect


def enqueue(connection: Connection, clock: Clock, ids: Ids, effect: Effect) -> bool:
    """Put an outside effect into the outbox, in the transaction that decides it; False when it was there already."""
    now = clock.now()
    queued = QueuedEffect(
        id=ids.new(),
        number=0,
        namespace_id=effect.namespace_id,
        topic=effect.topic,
        lane=effect.lane,
        idempotency_key=effect.idempotency_key,
        payload={"schema_version": 1, **effect.payload},
        state=EffectState.WAITING,
        attempts=0,
        next_attempt_at=now,
        last_error=None,
        ended_at=None,
        created_by=effect.created_by,
        created_at=now,
    )
    return store.insert_effect(connection, queued)
