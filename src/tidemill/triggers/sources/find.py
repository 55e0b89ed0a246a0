"""Which source belongs to a trigger: a built-in one, or one of a plug-in."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.triggers.model import TriggerKind
from tidemill.triggers.sources.branch import BranchSource
from tidemill.triggers.sources.contract import TriggerSource
from tidemill.triggers.sources.files import FilesSource

GROUP = "tidemill.trigger_sources"


def source_of(kind: str, settings: Mapping[str, Any], *, place: str = "on") -> TriggerSource:
    """The source of a kind that is looked at; `InvalidInput` for a kind that nobody brought."""
    if kind == TriggerKind.DATA:
        return BranchSource() if settings.get("repository") else FilesSource()
    for point in entry_points(group=GROUP, name=kind):
        found: TriggerSource = point.load()()
        return found
    known = [each.value for each in TriggerKind]
    raise InvalidInput(f"{kind[:80]!r} is no kind of trigger", place=place, remedy="known: " + ", ".join(known))
