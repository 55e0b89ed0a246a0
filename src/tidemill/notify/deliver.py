"""How messages leave the outbox: a topic for each notifier, so that a mail server that hangs holds up no webhook."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.base.outbox import QueuedEffect, Topic, Undeliverable
from tidemill.base.site import Site
from tidemill.notify.model import Message, NotifyOptions, notice_from_json
from tidemill.notify.notifiers import find_notifier, known_notifiers

TOPIC = "notify "
ATTEMPT_SECONDS = 30.0
"""Longer than any notifier may wait for one answer: a mail server is waited for several times."""


def topics(options: NotifyOptions) -> tuple[Topic, ...]:
    """The topics of all notifiers that are installed."""
    return tuple(_topic(name, options) for name in known_notifiers())


def _topic(name: str, options: NotifyOptions) -> Topic:
    def deliver(_site: Site, effect: QueuedEffect) -> None:
        notifier = find_notifier(name, options)
        try:
            notifier.send(message_from_json(effect.payload["message"]), effect.payload["address"])
        except InvalidInput as problem:
            raise Undeliverable(problem.message, place=problem.place, remedy=problem.remedy) from problem

    return Topic(
        name=TOPIC + name,
        deliver=deliver,
        attempt_seconds=ATTEMPT_SECONDS,
        first_pause=timedelta(seconds=5),
        longest_pause=timedelta(hours=1),
    )


def message_to_json(message: Message) -> dict[str, Any]:
    """The message as it is stored."""
    return {"key": message.key, "notices": [each.to_json() for each in message.notices], "more": message.more}


def message_from_json(stored: dict[str, Any]) -> Message:
    """A message as it was stored."""
    notices = tuple(notice_from_json(each) for each in stored["notices"])
    return Message(key=stored["key"], notices=notices, more=stored["more"])
