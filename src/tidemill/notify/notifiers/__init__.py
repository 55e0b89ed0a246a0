"""Notifiers: ways to reach people."""

from tidemill.notify.notifiers.contract import ENTRY_POINTS, Notifier
from tidemill.notify.notifiers.find import find_notifier, known_notifiers

__all__ = ["ENTRY_POINTS", "Notifier", "find_notifier", "known_notifiers"]
