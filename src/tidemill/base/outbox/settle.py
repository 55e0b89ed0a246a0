"""The verbs retry_effect, drop_effect and forget_effects: what becomes of effects that have ended."""

from __future__ import annotations

from datetime import timedelta

from tidemill.base.errors import Conflict, NotFound
from tidemill.base.outbox import store
from tidemill.base.outbox.model import EffectState, QueuedEffect
from tidemill.base.site import Site

DONE_KEPT, DEAD_KEPT = timedelta(days=14), timedelta(days=90)
LIST = "tidemill outbox list"


def retry_effect(site: Site, namespace_id: str, effect_id: str) -> QueuedEffect:
    """Deliver an effect that was given up, with all its attempts again; one that waits goes on waiting, but not longer.

    Raises `NotFound`, and `Conflict` for one that was delivered.
    """
    now = site.clock.now()
    with site.database.write() as connection:
        found = _found(store.effect_by_id(connection, namespace_id, effect_id), effect_id)
        if found.state is EffectState.DONE:
            raise Conflict("it was delivered", place=f"effect {effect_id}", remedy=LIST)
        attempts = 0 if found.state is EffectState.DEAD else found.attempts
        values = {"attempts": attempts, "next_attempt_at": now, "ended_at": None}
        store.change_effect(connection, found, EffectState.WAITING, **values)
        return _found(store.effect_by_id(connection, namespace_id, effect_id), effect_id)


def drop_effect(site: Site, namespace_id: str, effect_id: str) -> None:
    """Forget an effect that was given up; `NotFound` when there is none such, `Conflict` when it was not given up."""
    with site.database.write() as connection:
        if store.delete_effect(connection, namespace_id, effect_id):
            return
        found = _found(store.effect_by_id(connection, namespace_id, effect_id), effect_id)
    raise Conflict(f"it is {found.state}, not dead", place=f"effect {effect_id}", remedy=LIST)


def forget_effects(site: Site) -> int:
    """Delete what was delivered `DONE_KEPT` ago or given up `DEAD_KEPT` ago; how many."""
    now = site.clock.now()
    with site.database.write() as connection:
        return store.delete_ended(connection, done_before=now - DONE_KEPT, dead_before=now - DEAD_KEPT)


def _found(effect: QueuedEffect | None, effect_id: str) -> QueuedEffect:
    if effect is None:
        raise NotFound(f"there is no effect {effect_id[:100]!r}", remedy=LIST)
    return effect
