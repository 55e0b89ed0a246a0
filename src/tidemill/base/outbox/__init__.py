"""The outbox: effects on the outside world, decided in a transaction of ours and delivered at least once after it."""

from tidemill.base.outbox.deliver import Postman
from tidemill.base.outbox.enqueue import enqueue
from tidemill.base.outbox.find import count_effects, dead_effects, find_effect, list_effects, overdue_topics
from tidemill.base.outbox.model import Effect, EffectState, QueuedEffect, Topic, Undeliverable
from tidemill.base.outbox.settle import drop_effect, forget_effects, retry_effect

__all__ = [
    "Effect",
    "EffectState",
    "Postman",
    "QueuedEffect",
    "Topic",
    "Undeliverable",
    "count_effects",
    "dead_effects",
    "drop_effect",
    "enqueue",
    "find_effect",
    "forget_effects",
    "list_effects",
    "overdue_topics",
    "retry_effect",
]
