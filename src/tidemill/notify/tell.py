"""The round tell_people: events become messages in the outbox, a few to each address in a minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from tidemill.access import every_namespace
from tidemill.base.events import Event, events_after, last_event_number
from tidemill.base.outbox import Effect, enqueue, find_effect
from tidemill.base.site import Site
from tidemill.notify import store
from tidemill.notify.declare import SYSTEM, declare_site_targets, is_declared
from tidemill.notify.deliver import TOPIC, message_to_json
from tidemill.notify.describe import KINDS, describe
from tidemill.notify.model import Message, Notice, NotifyOptions, Subject, Target

MOST_EVENTS = 500
MOST_NOTICES = 50
"""A message shows so many and counts the others."""

IDLE_EVENTS = 1_000
"""A target that has nothing to hear is moved on after so many events, so that each look stays short."""

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _News:
    """What a target has not heard yet, and the last event that this covers."""

    notices: list[Notice]
    until: int


def tell_people(site: Site, options: NotifyOptions, base_url: str = "") -> int:
    """Put a message for each target that has news into the outbox; how many.

    Everything new since its last message is one message. One that had its share of this minute waits, and hears the
    rest as one; so a flood of events is no flood of mails.
    """
    _follow_settings(site, options)
    with site.database.read() as connection:
        targets = store.every_target(connection)
    return sum(_tell(site, options, target, options.public_url or base_url) for target in targets)


def _follow_settings(site: Site, options: NotifyOptions) -> None:
    """The addresses of the settings are targets in every namespace."""
    with site.database.read() as connection:
        stale = [
            each.id
            for each in every_namespace(connection)
            if not is_declared(store.targets_of(connection, each.id, store.SITE_WIDE), options.plan)
        ]
    for namespace_id in stale:
        with site.database.write() as connection:
            declare_site_targets(connection, site, namespace_id, options.plan)


def _tell(site: Site, options: NotifyOptions, target: Target, base_url: str) -> bool:
    now = site.clock.now()
    is_new_minute = not timedelta() <= now - target.minute_began < MINUTE
    if target.sent >= options.messages_per_minute and not is_new_minute:
        return False
    with site.database.read() as connection:
        news = _news(connection, target, base_url)
    if not news.notices:
        if news.until > target.told_until:
            with site.database.write() as connection:
                store.update_target(connection, target, told_until=news.until)
        return False
    counted = {"minute_began": now, "sent": 1} if is_new_minute else {"sent": target.sent + 1}
    with site.database.write() as connection:
        if not store.update_target(connection, target, told_until=news.until, **counted):
            return False  # it was taken out, or changed, just now
        return enqueue(connection, site.clock, site.ids, _effect(target, news))


def _news(connection: Connection, target: Target, base_url: str) -> _News:
    last = last_event_number(connection)
    found = events_after(
        connection, namespace_id=target.namespace_id, number=target.told_until, kinds=list(KINDS), limit=MOST_EVENTS
    )
    notices = [
        notice
        for event in found
        if _concerns(connection, target, event)
        and (notice := describe(event, base_url)) is not None
        and notice.subject in target.subjects
    ]
    if len(found) == MOST_EVENTS:
        return _News(notices, found[-1].number)
    is_far = last - target.told_until > IDLE_EVENTS
    return _News(notices, last if notices or is_far else target.told_until)


def _concerns(connection: Connection, target: Target, event: Event) -> bool:
    if event.kind == "effect.died":
        return not _is_own_failure(connection, target, event)
    if target.project == store.SITE_WIDE or event.data.get("project") == target.project:
        return True
    return bool(target.service) and event.data.get("service") == target.service


def _is_own_failure(connection: Connection, target: Target, event: Event) -> bool:
    """True for a message to this very target, and for one that told of another dead letter: that would never end."""
    topic, lane = str(event.data.get("topic", "")), event.data.get("lane")
    if not topic.startswith(TOPIC):
        return False
    effect = find_effect(connection, event.namespace_id, event.subject_id)
    told = [] if effect is None else effect.payload["message"]["notices"]
    is_of_letters = all(each["subject"] == Subject.DEAD_LETTERS.value for each in told)
    return lane == _lane(target) or is_of_letters


def _effect(target: Target, news: _News) -> Effect:
    shown: Sequence[Notice] = news.notices[:MOST_NOTICES]
    key = f"{news.until}:{_lane(target)}"
    message = Message(key=key, notices=tuple(shown), more=len(news.notices) - len(shown))
    return Effect(
        namespace_id=target.namespace_id,
        topic=TOPIC + target.address.notifier,
        lane=_lane(target),
        idempotency_key=key,
        payload={"address": target.address.text, "message": message_to_json(message)},
        created_by=SYSTEM,
    )


def _lane(target: Target) -> str:
    return f"{target.project}:{target.address.digest}"
