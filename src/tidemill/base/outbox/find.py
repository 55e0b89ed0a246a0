"""The verbs list_effects, find_effect, count_effects, dead_effects and overdue_topics."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection

from tidemill.base.outbox import store
from tidemill.base.outbox.model import EffectState, QueuedEffect
from tidemill.base.site import Site


def list_effects(
    site: Site, namespace_id: str, *, states: Sequence[EffectState], before: int | None, limit: int
) -> list[QueuedEffect]:
    """The effects of a namespace in some states, newest first, those with a number below `before`."""
    with site.database.read() as connection:
        return store.effects_of(connection, namespace_id, states=states, before=before, limit=limit)


def find_effect(connection: Connection, namespace_id: str, effect_id: str) -> QueuedEffect | None:
    """One effect, in the caller's transaction; None when it is forgotten."""
    return store.effect_by_id(connection, namespace_id, effect_id)


def count_effects(connection: Connection, namespace_id: str) -> dict[tuple[str, EffectState], int]:
    """How many effects of a namespace wait or are dead, by topic, in the caller's transaction."""
    return store.count_effects(connection, namespace_id)


def dead_effects(site: Site, *, limit: int) -> list[QueuedEffect]:
    """What was given up, newest first, over all namespaces: for who looks after the site."""
    with site.database.read() as connection:
        return store.dead_effects(connection, limit=limit)


def overdue_topics(site: Site, overdue: timedelta) -> list[str]:
    """The topics of which something is due for so long and was not even tried, over all namespaces."""
    with site.database.read() as connection:
        return store.overdue_topics(connection, site.clock.now() - overdue)
