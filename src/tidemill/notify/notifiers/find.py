"""Which notifier belongs to a name: a built-in one, or one of a plug-in."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from tidemill.base.errors import InvalidInput
from tidemill.notify.model import NotifyOptions
from tidemill.notify.notifiers.contract import ENTRY_POINTS, Notifier
from tidemill.notify.notifiers.mail import MailNotifier
from tidemill.notify.notifiers.webhook import WebhookNotifier

BUILT_IN: dict[str, Callable[[NotifyOptions], Notifier]] = {"mail": MailNotifier, "webhook": WebhookNotifier}


def known_notifiers() -> list[str]:
    """The names of all that are installed, the built-in ones first."""
    return list(dict.fromkeys([*BUILT_IN, *sorted(each.name for each in entry_points(group=ENTRY_POINTS))]))


def find_notifier(name: str, options: NotifyOptions, *, place: str = "notify") -> Notifier:
    """The notifier of that name; `InvalidInput` for one that nobody brought."""
    if name in BUILT_IN:
        return BUILT_IN[name](options)
    for point in entry_points(group=ENTRY_POINTS, name=name):
        found: Notifier = point.load()(options)
        return found
    raise InvalidInput(
        f"there is no notifier {name[:80]!r}",
        place=place,
        remedy=f"choose {', '.join(known_notifiers())}, or install the package that brings it",
    )
