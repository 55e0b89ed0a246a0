"""The verb take_feedback_value: a person's corrected value as the truth, where the rules of a service say so."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.monitoring.truth import store
from tidemill.monitoring.truth.model import Truth, TruthSource
from tidemill.serving import Service


def take_feedback_value(
    connection: Connection, site: Site, actor: Actor, service: Service, place: tuple[str, int], value: Any
) -> bool:
    """Keep the value as the truth of a row, in the caller's transaction; False when truth was delivered for it, which
    weighs more, or when it says the same."""
    known = store.current_truths(connection, service.namespace_id, service.id, [place[0]]).get(place)
    if known is not None and (known.source is TruthSource.DELIVERED or known.value == value):
        return False
    truth = Truth(
        prediction_id=place[0],
        row=place[1],
        number=1 if known is None else known.number + 1,
        value=value,
        source=TruthSource.FEEDBACK,
        created_by=actor.person,
        created_at=site.clock.now(),
    )
    store.insert_truths(connection, service.namespace_id, service.id, [truth])
    return True
