"""The verb notice_news: what happened in the site becomes effects for MLflow, while there is an MLflow to tell."""

from __future__ import annotations

from datetime import timedelta

from tidemill.base.events import Event, events_of_all
from tidemill.base.outbox import Effect, enqueue
from tidemill.base.site import Site
from tidemill.tracking import store
from tidemill.tracking.serve import IDLE_SECONDS
from tidemill.tracking.use import last_use

TOPIC = "mlflow"
MOST_EVENTS = 200
_RUN = ("run.submitted", "run.running", "run.resumed", "run.succeeded", "run.failed", "run.canceled", "run.canceling")
_VERSION = ("model_version.registered", "model_version.retired")
_POINTER = ("pointer.moved",)
KINDS = (*_RUN, *_VERSION, *_POINTER)


def notice_news(site: Site, *, always: bool) -> int:
    """Enqueue what happened since the last time, some events at a time; how many effects.

    Without `always` only while somebody used MLflow in the last minutes: a mirror that nobody looks at is no reason
    to start a server. What happened meanwhile is noticed then, for the events are numbered.
    """
    used = last_use(site.home)
    is_used = used is not None and site.clock.now() - used < timedelta(seconds=IDLE_SECONDS)
    if not (always or is_used):
        return 0
    with site.database.read() as connection:
        if not events_of_all(connection, number=store.mirrored_number(connection, TOPIC), kinds=KINDS, limit=1):
            return 0
    with site.database.write() as connection:
        number = store.mirrored_number(connection, TOPIC)
        events = events_of_all(connection, number=number, kinds=KINDS, limit=MOST_EVENTS)
        # an effect shows how a thing is when it is delivered: of several events of one thing the last is enough
        newest = {(event.namespace_id, _thing(event)): event for event in events}
        for (_, thing), event in newest.items():
            enqueue(connection, site.clock, site.ids, _effect(event, thing))
        if events:
            store.set_mirrored(connection, TOPIC, events[-1].number, site.clock.now())
    return len(newest)


def _thing(event: Event) -> str:
    if event.kind in _RUN:
        return f"run {event.subject_id}"
    if event.kind in _VERSION:
        return f"version {event.subject_id}"
    return f"pointer {event.data['environment']} {event.data['service']}"


def _effect(event: Event, thing: str) -> Effect:
    return Effect(
        namespace_id=event.namespace_id,
        topic=TOPIC,
        lane=thing if event.kind in _RUN else "registry",
        idempotency_key=f"{thing} {event.number}",
        payload={"thing": thing},
        created_by=event.created_by,
    )
