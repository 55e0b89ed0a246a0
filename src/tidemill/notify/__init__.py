"""Notify: people are told what needs them, by e-mail, webhook or what a plug-in brings."""

from tidemill.notify.declare import declare_targets
from tidemill.notify.deliver import topics
from tidemill.notify.model import Address, NotifyOptions, NotifyPlan, Subject
from tidemill.notify.plan import parse_plan
from tidemill.notify.tell import tell_people
from tidemill.notify.try_targets import Tried, list_targets, try_targets

__all__ = [
    "Address",
    "NotifyOptions",
    "NotifyPlan",
    "Subject",
    "Tried",
    "declare_targets",
    "list_targets",
    "parse_plan",
    "tell_people",
    "topics",
    "try_targets",
]
